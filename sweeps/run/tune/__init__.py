"""Ray and Ray Tune: the connection to a cluster, what a trial takes of it, and Tune as an executor of the plan."""
