"""The commands of ``loopin``, grouped as they are shown."""
