//! Tests of the queue.

use super::*;

const NO_CAPS: Caps<'static> = Caps { server: None, owner: &|_| None, requests: &|_| (Money::ZERO, Money::ZERO) };

pub(super) fn queue() -> (tempfile::TempDir, Queue) {
    let directory = tempfile::tempdir().unwrap();
    let queue = Queue::open(directory.path()).unwrap();
    (directory, queue)
}

/// A submission without anything special.
fn plain(id: &RunId) -> NewRun<'_> {
    NewRun {
        id,
        owner: "",
        held: false,
        priority: 0,
        submission: "{}",
        cap: None,
        deadline: None,
        webhook: None,
        idempotency_key: None,
        hash: blake3::hash(b""),
    }
}

pub(super) fn submit_with(queue: &Queue, with: impl FnOnce(NewRun<'_>) -> NewRun<'_>) -> RunId {
    let id = RunId::new();
    assert!(matches!(queue.submit(&with(plain(&id)), 100).unwrap(), Submitted::New(_)));
    id
}

fn submit(queue: &Queue, owner: &'static str, priority: i64, cap: Option<f64>) -> RunId {
    submit_with(queue, |new| NewRun { owner, priority, cap: cap.map(Money::from_usd), ..new })
}

fn next(queue: &Queue) -> Option<RunId> {
    queue.next(NO_CAPS).unwrap().map(|run| run.id)
}

fn spent(usd: f64) -> Totals {
    Totals { spent: Money::from_usd(usd), ..Totals::default() }
}

#[test]
fn priorities_go_first_then_owners_take_turns_then_the_oldest() {
    let (_directory, queue) = queue();
    let greedy: Vec<RunId> = (0..3).map(|_| submit(&queue, "greedy", 0, None)).collect();
    let modest = submit(&queue, "modest", 0, None);
    let urgent = submit(&queue, "greedy", 5, None);
    let order: Vec<RunId> = std::iter::from_fn(|| next(&queue)).collect();
    assert_eq!(order, [&urgent, &modest, &greedy[0], &greedy[1], &greedy[2]].map(Clone::clone));
}

#[test]
fn held_runs_wait_until_they_are_let_go() {
    let (_directory, queue) = queue();
    let id = submit(&queue, "", 0, None);
    queue.pause(&id).unwrap();
    assert_eq!(next(&queue), None);
    queue.resume(&id, None, false).unwrap();
    assert_eq!(next(&queue), Some(id));
}

#[test]
fn runs_at_work_are_queued_again_after_a_restart() {
    let (directory, queue) = queue();
    let id = submit(&queue, "", 0, None);
    assert_eq!(next(&queue).as_ref(), Some(&id));
    drop(queue);
    let queue = Queue::open(directory.path()).unwrap();
    assert_eq!((queue.interrupted(), next(&queue)), (&[id.clone()][..], None), "until its totals are known");
    queue.end(&id, State::Queued, "", &Totals::default()).unwrap();
    assert_eq!(next(&queue), Some(id));
}

#[test]
fn a_run_that_is_cancelled_at_work_never_goes_on() {
    let (directory, queue) = queue();
    let state = |queue: &Queue, id: &RunId| queue.get(id).unwrap().map(|run| (run.state, run.cancelling));
    let [ends, stops, complete, killed] = [(); 4].map(|()| submit(&queue, "", 0, None));
    for id in [&ends, &stops, &complete, &killed] {
        assert_eq!(next(&queue).as_ref(), Some(id));
        queue.cancel(id).unwrap();
        assert_eq!(state(&queue, id), Some((State::Running, true)));
        assert_eq!(queue.resume(id, None, false).unwrap_err().status, 409);
    }
    queue.end(&ends, State::Queued, "", &Totals::default()).unwrap();
    assert_eq!(state(&queue, &ends), Some((State::Cancelled, false)));
    queue.end(&stops, State::Stopped, "", &Totals::default()).unwrap();
    assert_eq!(state(&queue, &stops), Some((State::Cancelled, false)), "its deadline came first");
    queue.end(&complete, State::Complete, "", &Totals::default()).unwrap();
    assert_eq!(state(&queue, &complete), Some((State::Complete, false)));
    assert_eq!(queue.cancel(&complete).unwrap_err().status, 409);
    drop(queue);
    let queue = Queue::open(directory.path()).unwrap();
    queue.end(&killed, State::Queued, "", &Totals::default()).unwrap();
    assert_eq!((state(&queue, &killed), next(&queue)), (Some((State::Cancelled, false)), None));
    queue.resume(&killed, None, false).unwrap();
    assert_eq!(next(&queue), Some(killed));
}

#[test]
fn a_paused_run_at_work_waits_when_it_has_stopped() {
    let (_directory, queue) = queue();
    let id = submit(&queue, "", 0, None);
    assert_eq!(next(&queue).as_ref(), Some(&id));
    queue.pause(&id).unwrap();
    assert_eq!(queue.resume(&id, Some(Money::from_usd(1.0)), false).unwrap_err().status, 409, "its cap stays while it is at work");
    queue.end(&id, State::Queued, "", &Totals::default()).unwrap();
    assert_eq!(next(&queue), None);
    queue.resume(&id, Some(Money::from_usd(1.0)), false).unwrap();
    assert_eq!(queue.get(&id).unwrap().unwrap().cap, Some(Money::from_usd(1.0)));
    assert_eq!(next(&queue), Some(id));
}

#[test]
fn runs_together_never_get_more_than_a_cap() {
    let (_directory, queue) = queue();
    let caps =
        Caps { server: None, owner: &|owner| (owner == "a").then(|| Money::from_usd(10.0)), requests: &|_| (Money::ZERO, Money::ZERO) };
    let take = || queue.next(caps).unwrap().map(|run| (run.id, run.cap.or(run.share).map(Money::usd)));
    let [small, whole, waits] = [Some(3.0), None, None].map(|cap| submit(&queue, "a", 0, cap));
    let other = submit(&queue, "b", 0, None);
    assert_eq!(take(), Some((small.clone(), Some(3.0))));
    assert_eq!(take(), Some((other, None)), "another owner has no cap");
    assert_eq!(take(), Some((whole.clone(), Some(0.875))));
    let more = |id, usd| queue.reserve_more(id, Money::from_usd(usd), caps).unwrap().map(Money::usd);
    assert_eq!((more(&whole, 3.0), more(&whole, 7.1), more(&whole, 7.0)), (Some(3.5), None, Some(7.0)));
    assert_eq!(take(), None, "nothing is left until a run ends");
    queue.end(&whole, State::Complete, "", &spent(2.0)).unwrap();
    assert_eq!(take(), Some((waits.clone(), Some(0.625))));
    assert_eq!(more(&waits, 5.0), Some(5.0));
    queue.end(&small, State::Complete, "", &spent(3.0)).unwrap();
    queue.end(&waits, State::Stopped, "", &spent(5.0)).unwrap();
    // The money of removed runs is spent all the same.
    assert!(queue.remove(&whole).unwrap());
    let late = submit(&queue, "a", 0, None);
    assert_eq!(take(), None);
    let late = queue.get(&late).unwrap().unwrap();
    assert!(late.state == State::Stopped && late.message.contains("cap on money of key a"), "{late:?}");
}

#[test]
fn a_resumed_run_may_spend_its_own_cap_including_what_it_spent() {
    let (_directory, queue) = queue();
    let caps = Caps { server: Some(Money::from_usd(10.0)), owner: &|_| None, requests: &|_| (Money::ZERO, Money::ZERO) };
    let id = submit(&queue, "", 0, None);
    assert_eq!(queue.next(caps).unwrap().unwrap().share, Some(Money::from_usd(1.25)));
    assert_eq!(queue.reserve_more(&id, Money::from_usd(10.0), caps).unwrap(), Some(Money::from_usd(10.0)));
    queue.end(&id, State::Cancelled, "", &spent(4.0)).unwrap();
    queue.resume(&id, None, false).unwrap();
    assert_eq!(queue.next(caps).unwrap().unwrap().share, Some(Money::from_usd(4.75)));
    assert_eq!(queue.reserve_more(&id, Money::from_usd(10.0), caps).unwrap(), Some(Money::from_usd(10.0)));
}

#[test]
fn the_same_submission_with_the_same_key_is_the_same_run() {
    let (_directory, queue) = queue();
    let submit = |owner: &str, text: &str| {
        let id = RunId::new();
        let hash = blake3::hash(text.as_bytes());
        let new = NewRun { owner, submission: text, idempotency_key: Some("k"), hash, ..plain(&id) };
        queue.submit(&new, 100)
    };
    let Ok(Submitted::New(first)) = submit("a", "x") else { panic!("not new") };
    assert!(matches!(submit("a", "x"), Ok(Submitted::Known(again)) if again.id == first.id));
    assert_eq!(submit("a", "y").unwrap_err().status, 422);
    assert!(matches!(submit("b", "y"), Ok(Submitted::New(_))), "keys of another owner are others");
    queue.cancel(&first.id).unwrap();
    assert!(queue.remove(&first.id).unwrap());
    let late = submit("a", "x").unwrap_err();
    assert!(late.status == 409 && late.detail.contains("was removed"), "{late:?}");
}

#[test]
fn the_queue_is_bounded_and_only_ended_runs_are_removed() {
    let (_directory, queue) = queue();
    let id = submit(&queue, "", 0, None);
    let another = RunId::new();
    let new = plain(&another);
    assert_eq!(queue.submit(&new, 1).unwrap_err().status, 503);
    assert!(!queue.remove(&id).unwrap());
    queue.end(&id, State::Failed, "why", &Totals::default()).unwrap();
    assert_eq!(queue.ended().unwrap().len(), 1);
    assert!(queue.remove(&id).unwrap() && !queue.has(&id).unwrap());
    assert!(matches!(queue.submit(&new, 1), Ok(Submitted::New(_))));
}

#[test]
fn runs_are_listed_by_owner_and_state_newest_first() {
    let (_directory, queue) = queue();
    let ids: Vec<RunId> = (0..5).map(|_| submit(&queue, "a", 0, None)).collect();
    submit(&queue, "b", 0, None);
    queue.end(&ids[1], State::Complete, "", &Totals::default()).unwrap();
    let list = |filter: &Filter| queue.list("a", filter).unwrap().into_iter().map(|run| run.id).collect::<Vec<_>>();
    assert_eq!(list(&Filter { limit: 2, ..Filter::default() }), [ids[4].clone(), ids[3].clone()]);
    assert_eq!(list(&Filter { before: Some(ids[3].clone()), limit: 9, ..Filter::default() }), [2, 1, 0].map(|at| ids[at].clone()));
    assert_eq!(list(&Filter { state: Some(State::Complete), limit: 9, ..Filter::default() }), [ids[1].clone()]);
}

#[test]
fn the_earliest_deadline_goes_first_among_equal_priorities() {
    let (_directory, queue) = queue();
    let at = |s: i64| Some(Timestamp::now() + jiff::SignedDuration::from_secs(s));
    let [whenever, late, soon] = [None, at(7200), at(3600)].map(|deadline| submit_with(&queue, |new| NewRun { deadline, ..new }));
    let urgent = submit(&queue, "", 1, None);
    let order: Vec<RunId> = std::iter::from_fn(|| next(&queue)).collect();
    assert_eq!(order, [urgent, soon, late, whenever]);
}

#[test]
fn runs_that_wait_past_their_deadline_are_stopped() {
    let (_directory, queue) = queue();
    let past = Some(Timestamp::now() - jiff::SignedDuration::from_secs(1));
    let late = submit_with(&queue, |new| NewRun { deadline: past, webhook: Some("https://a.example"), ..new });
    assert_eq!(next(&queue), None);
    let late = queue.get(&late).unwrap().unwrap();
    assert!(late.state == State::Stopped && late.message.contains("deadline"), "{late:?}");
    assert_eq!(queue.due_messages(9).unwrap().0.len(), 1, "its client is told");
}

#[test]
fn a_queue_of_an_earlier_version_is_taken_over() {
    let (fourth, _) = include_str!("schema.sql").split_once("-- Idempotency keys of removed runs").unwrap();
    let fourth = fourth.replace("    cancelling INTEGER NOT NULL DEFAULT 0,\n", "");
    let fourth = fourth.replace("    uncertain_pico_usd INTEGER NOT NULL DEFAULT 0,\n", "");
    let third = fourth.replace("    wanted_pico_usd INTEGER,\n", "");
    let second = third.replace("    skipped INTEGER NOT NULL DEFAULT 0,\n", "");
    let first = second.replace("    deadline_ms INTEGER,\n", "").replace("    webhook TEXT,\n", "");
    takes_over(&format!("{first} PRAGMA user_version = 1;"));
    takes_over(&format!("{second} {OUTBOX} PRAGMA user_version = 2;"));
    takes_over(&format!("{third} {OUTBOX} PRAGMA user_version = 3;"));
    takes_over(&format!("{fourth} {OUTBOX} PRAGMA user_version = 4;"));
}

fn takes_over(tables: &str) {
    let directory = tempfile::tempdir().unwrap();
    let old = Connection::open(directory.path().join(FILE_NAME)).unwrap();
    old.execute_batch(tables).unwrap();
    let id = RunId::new();
    let sql = "INSERT INTO runs (id, owner, state, created_ms, submission) VALUES (?1, '', 'queued', 0, '{}')";
    old.execute(sql, [id.as_str()]).unwrap();
    drop(old);
    let queue = Queue::open(directory.path()).unwrap();
    assert_eq!(queue.get(&id).unwrap().unwrap().deadline, None);
    assert_eq!(next(&queue).as_ref(), Some(&id));
    queue.end(&id, State::Complete, "", &Totals::default()).unwrap();
    assert!(queue.remove(&id).unwrap());
}

#[test]
fn a_run_waits_for_money_that_another_run_may_give_back() {
    let (_directory, queue) = queue();
    let of_key = |owner: &str| (owner == "k").then(|| Money::from_usd(0.26));
    let caps = Caps { server: None, owner: &of_key, requests: &|_| (Money::ZERO, Money::ZERO) };
    let first = submit(&queue, "k", 0, Some(0.25));
    let second = submit(&queue, "k", 0, Some(0.1));
    assert_eq!(queue.next(caps).unwrap().map(|run| run.id), Some(first.clone()));
    assert!(queue.next(caps).unwrap().is_none(), "a share of 0.01 is of no use");
    assert_eq!(queue.get(&second).unwrap().unwrap().message, WAITS);
    queue.end(&first, State::Complete, "", &spent(0.04)).unwrap();
    let next = queue.next(caps).unwrap().unwrap();
    assert_eq!((next.id, next.cap), (second, Some(Money::from_usd(0.1))));
    // A larger cap than that of the key is no reason to wait for ever.
    let third = submit(&queue, "k", 0, Some(5.0));
    assert!(queue.next(caps).unwrap().is_none());
    queue.end(&next_id(&queue, &third), State::Complete, "", &spent(0.1)).unwrap();
    assert_eq!(queue.next(caps).unwrap().map(|run| run.cap), Some(Some(Money::from_usd(0.12))));
}

#[test]
fn a_run_that_ran_short_goes_on_as_soon_as_there_is_what_it_needs() {
    let (_directory, queue) = queue();
    let caps = Caps { server: Some(Money::from_usd(8.0)), owner: &|_| None, requests: &|_| (Money::ZERO, Money::from_usd(0.5)) };
    let large = submit(&queue, "", 0, Some(6.0));
    let short = submit(&queue, "", 0, None);
    assert_eq!([queue.next(caps), queue.next(caps)].map(|run| run.unwrap().unwrap().id), [large.clone(), short.clone()]);
    assert_eq!(queue.reserve_more(&short, Money::from_usd(2.0), caps).unwrap(), None);
    queue.end(&short, State::Queued, RAN_SHORT, &spent(0.1)).unwrap();
    assert!(queue.next(caps).unwrap().is_none(), "1.4 is left");
    queue.end(&large, State::Complete, "", &spent(5.0)).unwrap();
    // Requests have still reserved money, and always may.
    assert_eq!(queue.next(caps).unwrap().map(|run| run.id), Some(short));
}

#[test]
fn only_money_under_the_same_caps_is_waited_for() {
    let (_directory, queue) = queue();
    let of_key = |owner: &str| (owner == "k").then(|| Money::from_usd(1.0));
    let caps = Caps { server: None, owner: &of_key, requests: &|_| (Money::ZERO, Money::ZERO) };
    for (owner, cap) in [("k", None), ("stranger", Some(9.0))] {
        submit(&queue, owner, 0, cap);
    }
    let mut taken: Vec<QueuedRun> = std::iter::from_fn(|| queue.next(caps).unwrap()).collect();
    taken.sort_by_key(|run| run.owner.clone());
    queue.reserve_more(&taken[0].id, Money::from_usd(1.0), caps).unwrap().unwrap();
    // The run has reserved all of its key's cap. A stranger's money never becomes its own.
    assert_eq!(taken.len(), 2);
    assert!(!queue.may_get_more(&taken[0], caps).unwrap());
    let small = submit(&queue, "k", 0, Some(0.5));
    queue.end(&taken[0].id, State::Complete, "", &spent(0.2)).unwrap();
    let small = queue.next(caps).unwrap().filter(|run| run.id == small).unwrap();
    assert!(!queue.may_get_more(&small, caps).unwrap());
    submit(&queue, "k", 0, None);
    assert!(queue.next(caps).unwrap().is_some());
    assert!(queue.may_get_more(&small, caps).unwrap(), "another run of the key holds the rest");
}

/// The run at work beside `other`.
fn next_id(queue: &Queue, other: &RunId) -> RunId {
    let runs = queue.list("k", &Filter { state: Some(State::Running), before: None, limit: 9 }).unwrap();
    runs.into_iter().map(|run| run.id).find(|id| id != other).unwrap()
}
