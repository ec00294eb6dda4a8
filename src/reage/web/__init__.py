"""The web page and the REST API: thin shells over the editor.

settings.py says what a server allows, listening.py bounds connections, hosts.py names and pages,
bodies.py what is sent, gate.py who may ask and how much. sessions.py holds what each user has open,
places.py their files, jobs.py what takes long, and app.py puts them together.
"""

from __future__ import annotations

__all__: list[str] = []
