//! Archives of images: what docker and podman save (manifest.json), and the image layout of the OCI (index.json), each as a
//! directory or a tar. Specifications: image-spec of the OCI, image-layout.md; moby's image/spec/v1.2.md.
//!
//! All input is hostile: every document is small, every blob has the digest and the size that were announced, and nothing
//! is in the store before all of it was right.

mod load;
pub mod place;
pub mod plan;
mod save;

pub use load::{Loaded, load};
pub use place::{Place, is_of_images, open};
pub use save::{Saved, find, save};

use crate::error::Error;
use alloc::format;
use alloc::string::String;

/// What the OCI's media types begin with.
const OCI: &str = "application/vnd.oci.image.";
/// Annotations of an index: the whole name of an image (containerd), and what the OCI calls it, often just the tag.
const FULL_NAME: &str = "io.containerd.image.name";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// A part of an archive that something else in it names.
pub struct Blob {
    /// Its path in the archive.
    path: String,
    /// 64 hexadecimal digits, when it is known by its digest.
    digest: Option<String>,
    /// Its size, when that was announced.
    bytes: Option<u64>,
}

impl Blob {
    /// An error that came up while it was read.
    fn about(&self, error: Error) -> Error {
        error.reword(&|what| format!("{}: {what}", self.path))
    }

    /// The error for one that is not what it should be.
    fn differs(&self, found: &str) -> Error {
        let wanted = self.digest.as_deref().unwrap_or_default();
        Error::new(format_args!("the blob sha256:{wanted} is damaged: its content has the sha256 {found}"))
    }
}
