"""What changes images while a network learns from them: classical augmentation and DiffAugment."""
