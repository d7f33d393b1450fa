"""A small shop on Django that uses the whole integration; its tests run it under real servers."""
