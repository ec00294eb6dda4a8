"""The editor: from a photo to the same photo at another age."""

from reage.editor.editor import Editor
from reage.editor.loading import load
from reage.editor.preparing import Which
from reage.inversion.qualities import QUALITIES

__all__ = ["QUALITIES", "Editor", "Which", "load"]
