"""The generator of lucidrains/stylegan2-pytorch."""
