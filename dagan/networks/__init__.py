"""The generators and discriminators: layer tables, counted operations, and the modules built from them."""
