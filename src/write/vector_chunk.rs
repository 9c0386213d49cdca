//! Chunks with their vectors, on their way to a vector store.

/// A chunk on its way to a vector store.
#[derive(Debug, Clone)]
pub struct VectorChunk {
    /// Name of the document.
    pub document: String,
    /// Number of the chunk, from 1.
    pub chunk: u32,
    /// The page where it begins.
    pub page: Option<u32>,
    /// Its text.
    pub text: String,
    /// Its numbers.
    pub vector: Vec<f32>,
}

impl VectorChunk {
    /// Digest of the chunk and the model of its vector.
    pub(super) fn digest(&self, model: &str) -> [u8; 16] {
        let mut hash = blake3::Hasher::new();
        hash.update(format!("{} {model} {:?} ", model.len(), self.page).as_bytes()).update(self.text.as_bytes());
        for number in &self.vector {
            hash.update(&number.to_le_bytes());
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize().as_bytes()[..16]);
        digest
    }
}

/// Where vectors come from.
#[derive(Debug, Clone)]
pub struct VectorOrigin {
    /// Identity of the run store.
    pub store: String,
    /// The job.
    pub job: String,
    /// Its task.
    pub task: String,
    /// The model.
    pub model: String,
    /// Numbers of each vector.
    pub dimensions: usize,
}

impl VectorOrigin {
    /// Text that differs for each task of each run store.
    pub(super) fn id(&self) -> String {
        format!("{} {}/{}", self.store, self.job, self.task)
    }
}
