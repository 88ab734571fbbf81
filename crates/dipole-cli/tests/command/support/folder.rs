//! A folder of a test's own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that is removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dipole-{}-{number}", std::process::id());
        // Short, for the sockets that are put into it: their paths have 107 bytes at most.
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a new folder");
        Self(path)
    }

    /// A folder with these files; a name may have folders in it.
    pub(crate) fn with(files: &[(&str, &[u8])]) -> Self {
        let folder = Self::new();
        for (name, content) in files {
            folder.write(name, content);
        }
        folder
    }

    /// Writes a file, and makes the folders of its name.
    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        let parent = path.parent().expect("it is in the folder");
        std::fs::create_dir_all(parent).expect("folders");
        std::fs::write(path, content).expect("a file");
    }

    /// Makes a file of zeros that takes no room.
    pub(crate) fn write_zeros(&self, name: &str, length: u64) {
        let file = std::fs::File::create(self.path(name)).expect("a file");
        file.set_len(length).expect("its length");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The path as an argument.
    pub(crate) fn argument(&self) -> &str {
        self.0.to_str().expect("it is UTF-8")
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
