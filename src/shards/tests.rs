//! The protocol of attempts over a simulated storage: with delays, lost and repeated responses, crashes
//! at every step, and attempts that go on although they seem to be dead.

use super::attempt::{Attempt, Claim, committed};
use super::commit::{Bill, Commit, Part};
use super::storage::{Storage, StorageError};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

const DOCUMENTS: u8 = 12;
/// Answers of a segment.
const SAVE: usize = 3;
/// Calls between checks for a newer claim.
const FENCE: usize = 2;
const MOST_ATTEMPTS: u32 = 6;

/// A world with one storage and one provider.
struct World {
    random: Mutex<fastrand::Rng>,
    objects: Mutex<BTreeMap<String, Bytes>>,
    /// How often each document was paid.
    paid: Mutex<[u32; DOCUMENTS as usize]>,
    /// Whether requests fail.
    is_calm: bool,
}

#[derive(Clone)]
struct Simulated(Arc<World>);

impl Simulated {
    /// Lets other attempts go on for a while.
    async fn pause(&self) {
        let mut left = self.0.random.lock().u8(..3);
        poll_fn(move |_| {
            left = left.saturating_sub(1);
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn happens(&self, one_in: u32) -> bool {
        !self.0.is_calm && self.0.random.lock().u32(..one_in) == 0
    }

    /// Fails before or after the request has an effect.
    async fn request<T>(&self, effect: impl FnOnce() -> T) -> Result<T, StorageError> {
        self.pause().await;
        if self.happens(40) {
            return Err(StorageError::new("simulated", "away"));
        }
        let result = effect();
        self.pause().await;
        if self.happens(40) { Err(StorageError::new("simulated", "response lost")) } else { Ok(result) }
    }
}

impl Storage for Simulated {
    async fn create(&self, key: &str, content: Bytes) -> Result<bool, StorageError> {
        let is_new = self.request(|| {
            let mut objects = self.0.objects.lock();
            let is_new = !objects.contains_key(key);
            objects.entry(key.to_owned()).or_insert(content);
            is_new
        });
        // A client may repeat a request whose response was lost, and then finds its own object.
        Ok(is_new.await? && !self.happens(20))
    }

    async fn replace(&self, key: &str, content: Bytes) -> Result<(), StorageError> {
        self.request(|| drop(self.0.objects.lock().insert(key.to_owned(), content))).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StorageError> {
        self.request(|| self.0.objects.lock().get(key).cloned()).await
    }

    async fn list(&self, directory: &str) -> Result<Vec<String>, StorageError> {
        let prefix = format!("{directory}/");
        self.request(|| self.0.objects.lock().keys().filter_map(|key| key.strip_prefix(&prefix).map(str::to_owned)).collect()).await
    }
}

#[derive(Debug, PartialEq)]
enum End {
    Committed(Commit),
    Fenced,
}

type Working = Pin<Box<dyn Future<Output = Result<End, StorageError>>>>;

/// One attempt, as the worker of the command line makes it.
async fn work(storage: Simulated) -> Result<End, StorageError> {
    let mut attempt = match Attempt::claim(&storage, 0, "test").await? {
        Claim::Committed(commit) => return Ok(End::Committed(*commit)),
        Claim::Mine(attempt) => attempt,
    };
    let mut answers = BTreeSet::new();
    for key in attempt.others().await? {
        answers.extend(storage.get(&key).await?.unwrap());
        attempt.took_over(key);
    }
    let mut unsaved = Vec::new();
    for document in (0..DOCUMENTS).filter(|document| !answers.contains(document)).collect::<Vec<_>>() {
        if unsaved.len().is_multiple_of(FENCE) && attempt.is_fenced().await? {
            attempt.save(unsaved.into()).await?;
            return Ok(End::Fenced);
        }
        storage.0.paid.lock()[usize::from(document)] += 1;
        storage.pause().await;
        answers.insert(document);
        unsaved.push(document);
        if unsaved.len() == SAVE {
            attempt.save(std::mem::take(&mut unsaved).into()).await?;
        }
    }
    attempt.save(unsaved.into()).await?;
    let key = attempt.part("job");
    storage.create(&key, answers.into_iter().collect()).await?;
    let part = Part { job: "job".to_owned(), key, rows: DOCUMENTS.into(), failed: 0, bytes: 0, digest: String::new() };
    let commit = Commit { attempt: 0, run: "run".to_owned(), parts: vec![part], bill: Bill::ZERO, segments: Vec::new() };
    attempt.commit(commit).await.map(End::Committed)
}

/// A history of attempts, and checks at its end.
fn history(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let world = |is_calm, objects, paid| {
        let random = Mutex::new(fastrand::Rng::with_seed(seed ^ 1));
        Simulated(Arc::new(World { random, objects: Mutex::new(objects), paid: Mutex::new(paid), is_calm }))
    };
    let storage = world(false, BTreeMap::new(), [0; DOCUMENTS as usize]);
    let mut context = Context::from_waker(Waker::noop());
    let mut active: Vec<Working> = Vec::new();
    let (mut begun, mut commits) = (0, Vec::new());
    while begun < MOST_ATTEMPTS || !active.is_empty() {
        // An engine starts another attempt when it believes that the earlier ones are dead.
        if begun < MOST_ATTEMPTS && (active.is_empty() || random.u8(..60) == 0) {
            active.push(Box::pin(work(storage.clone())));
            begun += 1;
        }
        let at = random.usize(..active.len());
        if random.u8(..100) == 0 {
            drop(active.swap_remove(at));
        } else if let Poll::Ready(end) = active[at].as_mut().poll(&mut context) {
            drop(active.swap_remove(at));
            commits.extend(end.ok().and_then(|end| if let End::Committed(commit) = end { Some(commit) } else { None }));
        }
    }
    // The last attempt meets no faults.
    let (objects, paid) = (storage.0.objects.lock().clone(), *storage.0.paid.lock());
    let storage = world(true, objects, paid);
    let mut last = Box::pin(work(storage.clone()));
    let end = loop {
        if let Poll::Ready(end) = last.as_mut().poll(&mut context) {
            break end.unwrap();
        }
    };
    let End::Committed(commit) = end else { panic!("seed {seed}: the last attempt is fenced") };
    let mut there = Box::pin(committed(&storage, 0));
    let there = loop {
        if let Poll::Ready(there) = there.as_mut().poll(&mut context) {
            break there.unwrap().unwrap();
        }
    };
    assert!(commits.iter().chain([&commit]).all(|commit| *commit == there), "seed {seed}: two commits");
    let part: Vec<u8> = storage.0.objects.lock()[&there.parts[0].key].to_vec();
    assert_eq!(part, (0..DOCUMENTS).collect::<Vec<_>>(), "seed {seed}: rows");
    let paid: u32 = storage.0.paid.lock().iter().sum();
    // An attempt pays twice at most what it has not saved, and what it sends before it sees a newer claim.
    let bound = u32::from(DOCUMENTS) + MOST_ATTEMPTS * u32::try_from(SAVE + FENCE).unwrap();
    assert!((DOCUMENTS.into()..=bound).contains(&paid), "seed {seed}: {paid} paid");
}

#[test]
fn a_hundred_thousand_histories_of_attempts_commit_each_row_once() {
    std::thread::scope(|scope| {
        for half in [0..50_000, 50_000..100_000] {
            scope.spawn(|| half.for_each(history));
        }
    });
}
