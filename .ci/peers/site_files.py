"""The files that are served."""

import hashlib
import os
import random

MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30


class Site:
    """A folder of real files, some of them known by heart."""

    def __init__(self, folder):
        self.folder = folder
        # The same files each time.
        self.random = random.Random(9112)
        self.text = "".join(f"line {n} of a text that packs well\n" for n in range(100_000)).encode()
        self.write("hello.txt", b"Hello, World!")
        self.write("empty", b"")
        self.write("long.txt", self.text)
        self.write("page.html", b"<!doctype html><title>Page</title>")
        self.write("sub/folder/deep.txt", b"deep")
        self.write("sub/a name with spaces & more.txt", b"spaces")
        self.data = self.random.randbytes(MEBIBYTE)
        self.write("1m", self.data)
        for number in range(100):
            self.write(f"n/{number}.txt", self.numbered(number))
        self.big_digest = self.write_big("1g")
        # Above the root, where nobody may read.
        with open(f"{folder}/../secret.txt", "wb") as file:
            file.write(b"secret")

    @staticmethod
    def numbered(number):
        """What is in `n/NUMBER.txt`: of different lengths, so that a shift is seen."""
        return f"number {number}\n".encode() * (1 + number * number % 50)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    def write_big(self, name):
        digest = hashlib.sha256()
        with open(self.path(name), "wb") as file:
            for _ in range(GIBIBYTE // MEBIBYTE):
                piece = self.random.randbytes(MEBIBYTE)
                digest.update(piece)
                file.write(piece)
        return digest.hexdigest()
