"""StyleGAN2: generator and discriminator."""
