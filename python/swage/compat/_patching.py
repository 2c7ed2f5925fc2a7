"""What was changed in other projects, and how it comes back."""

_MISSING = object()


class Patch:
    """What one call of patch() or register() changed. `undo()` puts it back; `with patch(...):` does so at the
    end.

    `count` says how many attributes were replaced."""

    def __init__(self):
        self._undo = []
        self.count = 0

    def replace(self, owner, name, value):
        before = vars(owner).get(name, _MISSING)
        self._undo.append(lambda: delattr(owner, name) if before is _MISSING else setattr(owner, name, before))
        setattr(owner, name, value)
        self.count += 1

    def finally_(self, undo):
        """Calls `undo` when what was done after it is undone."""
        self._undo.append(undo)

    def undo(self):
        while self._undo:
            self._undo.pop()()
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.undo()
