//! Any items, limits and bad items.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Given {
    group: u8,
    tokens: u64,
    bytes: u64,
    after_ms: u64,
    bad: bool,
    /// When its submitter leaves.
    patience_ms: Option<u64>,
}

fn given() -> impl Strategy<Value = Given> {
    let patience = proptest::option::weighted(0.1, 0..100_u64);
    (0..3_u8, 0..50_u64, 0..50_u64, 0..60_u64, proptest::bool::weighted(0.05), patience)
        .prop_map(|(group, tokens, bytes, after_ms, bad, patience_ms)| Given { group, tokens, bytes, after_ms, bad, patience_ms })
}

fn limits() -> impl Strategy<Value = PackLimits> {
    (1..20_usize, 1..200_u64, 1..200_u64).prop_map(|(max_items, max_tokens, max_bytes)| PackLimits { max_items, max_tokens, max_bytes })
}

async fn check(all: Vec<Given>, known: PackLimits, accepts: usize, window: usize, max_in_flight: usize) {
    let bad = all.iter().zip(0..).filter(|(given, _)| given.bad).map(|(_, number)| number).collect();
    let server = Arc::new(Server { known, accepts: items(accepts), bad, max_in_flight, ..Server::default() });
    let packer = Packer::new(To(Arc::clone(&server)), PackSettings { window, ..settings() });
    let began = Instant::now();
    let submit = async |(number, given): (u32, &Given)| {
        sleep(Duration::from_millis(given.after_ms)).await;
        let answer = packer.submit(given.group, given.tokens, given.bytes, number);
        match given.patience_ms {
            Some(patience) => tokio::time::timeout(Duration::from_millis(patience), answer).await.ok(),
            None => Some(answer.await),
        }
    };
    let answers = join_all((0..).zip(&all).map(submit)).await;
    let requests = server.requests();
    for ((given, answer), number) in all.iter().zip(answers).zip(0..) {
        match answer {
            Some(answer) => assert_eq!(answer, if given.bad { Err(PackError::Failed("bad".to_owned())) } else { Ok(number * 2) }),
            None => continue, // its submitter left
        }
        let first = requests.iter().find(|request| request.items.contains(&number)).unwrap();
        let waited = (first.at - began).saturating_sub(Duration::from_millis(given.after_ms));
        assert!(waited <= WAIT || max_in_flight < usize::MAX, "{waited:?}");
    }
    for request in &requests {
        let of = |number: &u32| &all[*number as usize];
        let sum = |size: fn(&Given) -> u64| request.items.iter().map(|number| size(of(number))).sum::<u64>();
        assert!(request.items.iter().all(|number| of(number).group == request.group) && !request.items.is_empty());
        let fits = request.items.len() <= known.max_items && sum(|g| g.tokens) <= known.max_tokens && sum(|g| g.bytes) <= known.max_bytes;
        assert!(fits || request.items.len() == 1, "{request:?}");
    }
    assert!(server.in_flight.lock().1 <= max_in_flight);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_item_gets_its_own_output_in_time_and_requests_fit(
        all in proptest::collection::vec(given(), 1..120),
        known in limits(),
        accepts in 1..20_usize,
        window in 1..4_usize,
        max_in_flight in prop_oneof![Just(usize::MAX), 1..4_usize],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(check(all, known, accepts, window, max_in_flight));
    }
}
