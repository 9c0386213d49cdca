//! An S3 server on loopback whose buckets are directories.
//!
//! It is `s3s`, which checks signatures like the real service. It also records requests.

use async_trait::async_trait;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput, PutObjectOutput, Timestamp, UploadPartInput, UploadPartOutput,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The only valid access key, and its secret.
const KEY: &str = "AKIADOCMILLTESTS";
const SECRET: &str = "a secret that must not be printed";

/// A directory marker that every listing has.
pub const SIGN: &str = "empty directory";

/// The recorded requests.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Number of listing pages.
    pub pages: usize,
    /// Keys of GET requests.
    pub gets: Vec<String>,
    /// Keys of HEAD requests.
    pub heads: Vec<String>,
    /// Keys of written objects in order, each with its number of parts.
    pub puts: Vec<(String, usize)>,
}

type OnGet = dyn Fn(&str) -> S3Result<()> + Send + Sync;

struct Books {
    seen: Mutex<Seen>,
    parts: Mutex<usize>,
    on_get: Box<OnGet>,
    read_only: bool,
    /// Keys that cannot be file names.
    odd: Mutex<Vec<String>>,
}

/// A bucket called `test` on a separate server.
pub struct Bucket {
    address: SocketAddr,
    dir: TempDir,
    books: Arc<Books>,
    runtime: Option<Runtime>,
}

impl Bucket {
    /// Starts a bucket whose listings have `page` objects per page.
    pub fn start(page: i32) -> Self {
        Self::with(page, |_| Ok(()), false)
    }

    /// Starts a bucket that refuses writes.
    pub fn read_only() -> Self {
        Self::with(1000, |_| Ok(()), true)
    }

    /// Starts a bucket that calls `on_get` before each read. An error of `on_get` becomes the
    /// response.
    pub fn with(page: i32, on_get: impl Fn(&str) -> S3Result<()> + Send + Sync + 'static, read_only: bool) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("test")).unwrap();
        let books =
            Arc::new(Books { seen: Mutex::default(), parts: Mutex::default(), on_get: Box::new(on_get), read_only, odd: Mutex::default() });
        let disk = FileSystem::new(dir.path()).unwrap();
        let mut service = S3ServiceBuilder::new(Watched { disk, page, books: Arc::clone(&books) });
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        Self { address, dir, books, runtime: Some(runtime) }
    }

    /// Environment variables that give a program access.
    pub fn env(&self) -> [(&'static str, String); 4] {
        let endpoint = format!("http://{}", self.address);
        let region = "eu-central-1".to_owned();
        [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.into()),
            ("AWS_REGION", region),
        ]
    }

    /// The secret that no output may contain.
    pub fn secret() -> &'static str {
        SECRET
    }

    /// The path of an object on disk.
    pub fn path(&self, key: &str) -> PathBuf {
        self.dir.path().join("test").join(key)
    }

    /// Creates an object with an old modification time.
    pub fn put(&self, key: &str, content: impl AsRef<[u8]>) {
        let path = self.path(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        // The time is constant, so only the content distinguishes versions.
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(past).unwrap();
    }

    /// Adds a key to listings that cannot exist on disk.
    pub fn put_odd(&self, key: &str) {
        self.books.odd.lock().unwrap().push(key.to_owned());
    }

    /// Reads an object from disk.
    pub fn get(&self, key: &str) -> Vec<u8> {
        std::fs::read(self.path(key)).unwrap_or_else(|e| panic!("{key}: {e}"))
    }

    /// Returns the recorded requests, and clears them.
    pub fn take_seen(&self) -> Seen {
        std::mem::take(&mut self.books.seen.lock().unwrap())
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Watched {
    disk: FileSystem,
    page: i32,
    books: Arc<Books>,
}

impl Watched {
    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.books.seen.lock().unwrap());
    }

    fn may_write(&self) -> S3Result<()> {
        if self.books.read_only { Err(s3_error!(AccessDenied, "this bucket is for reading")) } else { Ok(()) }
    }
}

#[async_trait]
impl S3 for Watched {
    async fn list_objects_v2(&self, mut req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.note(|seen| seen.pages += 1);
        let (bucket, prefix) = (req.input.bucket.clone(), req.input.prefix.clone().unwrap_or_default());
        let page = usize::try_from(req.input.max_keys.unwrap_or(self.page).min(self.page)).unwrap();
        let begin = req.input.continuation_token.take().or(req.input.start_after.take());
        req.input.max_keys = Some(i32::MAX);
        let mut listed = self.disk.list_objects_v2(req).await?;
        let objects = listed.output.contents.get_or_insert_default();
        // Consoles create objects without bytes to show directories that do not exist.
        let signs = if objects.is_empty() || prefix.is_empty() { vec![] } else { vec![prefix.clone(), format!("{prefix}{SIGN}/")] };
        let odd = self.books.odd.lock().unwrap().clone().into_iter().filter(|key| key.starts_with(&prefix));
        objects.extend(signs.into_iter().chain(odd).map(|key| {
            let time = Some(Timestamp::from(SystemTime::UNIX_EPOCH));
            Object { key: Some(key), size: Some(0), last_modified: time, ..Object::default() }
        }));
        objects.retain(|object| object.key > begin);
        objects.sort_by(|one, other| one.key.cmp(&other.key));
        listed.output.is_truncated = Some(objects.len() > page);
        objects.truncate(page);
        listed.output.next_continuation_token =
            objects.last().filter(|_| listed.output.is_truncated == Some(true)).and_then(|o| o.key.clone());
        // `s3s_fs` omits entity tags in listings. The real service always has them.
        for object in objects {
            let head = HeadObjectInput::builder().bucket(bucket.clone()).key(object.key.clone().unwrap_or_default()).build().unwrap();
            object.e_tag = self.disk.head_object(request(head)).await.ok().and_then(|head| head.output.e_tag);
        }
        Ok(listed)
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        (self.books.on_get)(&req.input.key)?;
        let key = req.input.key.clone();
        let got = self.disk.get_object(req).await?;
        self.note(|seen| seen.gets.push(key));
        Ok(got)
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.note(|seen| seen.heads.push(req.input.key.clone()));
        self.disk.head_object(req).await
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.may_write()?;
        self.note(|seen| seen.puts.push((req.input.key.clone(), 1)));
        self.disk.put_object(req).await
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.may_write()?;
        self.disk.create_multipart_upload(req).await
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        *self.books.parts.lock().unwrap() += 1;
        self.disk.upload_part(req).await
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let parts = std::mem::take(&mut *self.books.parts.lock().unwrap());
        self.note(|seen| seen.puts.push((req.input.key.clone(), parts)));
        self.disk.complete_multipart_upload(req).await
    }

    async fn abort_multipart_upload(&self, req: S3Request<AbortMultipartUploadInput>) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.disk.abort_multipart_upload(req).await
    }
}

/// Builds an internal request.
fn request<T>(input: T) -> S3Request<T> {
    S3Request {
        input,
        method: hyper::Method::HEAD,
        uri: hyper::Uri::default(),
        headers: hyper::HeaderMap::default(),
        extensions: hyper::http::Extensions::default(),
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}
