"""Checkpoints of pSp and its heirs."""
