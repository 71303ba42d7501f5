"""As much of pathlib as the tests of portable code use, for MicroPython."""


class Path:
    """A path with slashes; a test reads files of its own folder by it."""

    def __init__(self, text):
        self._text = str(text)

    def __truediv__(self, name):
        return Path(self._text + "/" + name)

    def __str__(self):
        return self._text

    @property
    def parent(self):
        """The folder it lies in."""
        return Path(self._text.rpartition("/")[0])

    @property
    def parents(self):
        """Its folders, the nearest first."""
        found, at = [], self.parent
        while str(at):
            found.append(at)
            at = at.parent
        found.append(Path("."))
        return found

    def read_text(self, encoding="utf-8"):
        """Return what is in the file."""
        with open(self._text) as file:
            return file.read()
