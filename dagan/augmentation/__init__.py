"""What changes images while a network learns from them: classical augmentation, policies, mixing, DiffAugment."""
