"""Networks that judge a face: age, gender, likeness, perceptual distance."""
