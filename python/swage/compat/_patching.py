"""Attributes that were replaced, and how they come back."""

_MISSING = object()


class Patch:
    """What one call of patch() changed. `undo()` puts it back; `with patch(...):` does so at the end.

    `count` says how many attributes were replaced."""

    def __init__(self):
        self._before = []

    @property
    def count(self):
        return len(self._before)

    def replace(self, owner, name, value):
        self._before.append((owner, name, vars(owner).get(name, _MISSING)))
        setattr(owner, name, value)

    def undo(self):
        while self._before:
            owner, name, value = self._before.pop()
            if value is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, value)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.undo()
