"""Models that open_clip loads, BiomedCLIP first: images and words in one space."""
