"""Start from a folder of images: advise a study whose answer holds, within a given time."""
