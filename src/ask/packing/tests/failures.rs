//! Refusals, searches for bad items, and repetitions.

use super::*;

#[tokio::test(start_paused = true)]
async fn one_bad_item_costs_at_most_two_requests_for_each_halving() {
    for n in (2..=40).chain([64, 100, 512, 1000]) {
        for bad in (0..n).step_by(if n > 100 { 37 } else { 1 }) {
            let server = Arc::new(Server { bad: [bad].into(), known: items(n as usize), ..Server::default() });
            let answers = submit_all(&server, settings(), 0..n).await;
            for (number, answer) in (0..n).zip(answers) {
                let expected = if number == bad { Err(PackError::Failed("bad".to_owned())) } else { Ok(number * 2) };
                assert_eq!(answer, expected, "{n} {bad}");
            }
            let extra = server.requests().len() - 1;
            assert!(extra as f64 <= 2.0 * f64::from(n).log2(), "{extra} extra requests for item {bad} of {n}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_of_several_bad_items_is_found() {
    let bad: HashSet<u32> = [0, 1, 17, 255, 256, 600, 999].into();
    let server = Arc::new(Server { bad: bad.clone(), known: items(256), ..Server::default() });
    let answers = submit_all(&server, settings(), 0..1000).await;
    for (number, answer) in (0..).zip(answers) {
        assert_eq!(answer.is_err(), bad.contains(&number), "{number}");
    }
    let extra = server.requests().len() - 4;
    assert!(extra <= bad.len() * 16, "{extra}");
}

#[tokio::test(start_paused = true)]
async fn many_bad_items_side_by_side_are_known_to_be_the_cause() {
    for (from, last) in [(0, 512), (300, 340), (100, 512)] {
        let bad: HashSet<u32> = (from..last).filter(|number| *number < 100 || *number >= 300).collect();
        let server = Arc::new(Server { bad: bad.clone(), known: items(512), ..Server::default() });
        let answers = submit_all(&server, settings(), 0..512).await;
        for (number, answer) in (0..).zip(answers) {
            assert_eq!(answer.is_err(), bad.contains(&number), "{number}");
        }
        let not_known = bad.difference(&server.with_others.lock()).count();
        assert!(not_known <= 2, "{not_known} of {}", bad.len());
        let extra = server.requests().len() - 1;
        assert!(extra <= bad.len() * 2 + 64, "{extra} for {}", bad.len());
    }
}

#[tokio::test(start_paused = true)]
async fn items_that_are_refused_only_together_get_their_answers() {
    let server = Arc::new(Server { bad_together: [3, 6], ..Server::default() });
    let answers = submit_all(&server, settings(), 0..8).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stated_limit_is_learned_at_once() {
    let server = Arc::new(Server { accepts: items(10), known: items(32), ..Server::default() });
    let packer = Packer::new(To(Arc::clone(&server)), settings());
    let submit = async |count: u32| join_all((0..count).map(|number| packer.submit(0, 1, 1, number))).await;
    assert!(submit(32).await.iter().all(Result::is_ok));
    assert_eq!(server.sizes(), [32, 10, 10, 10, 2]);
    assert!(submit(30).await.iter().all(Result::is_ok));
    assert_eq!(server.sizes()[5..], [10, 10, 10]);
}

#[tokio::test(start_paused = true)]
async fn an_unstated_limit_is_found_by_halving() {
    let server = Arc::new(Server { accepts: items(10), states: false, known: items(64), ..Server::default() });
    let answers = submit_all(&server, settings(), 0..64).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(server.sizes().starts_with(&[64, 32, 32]) && server.sizes().ends_with(&[8; 8]), "{:?}", server.sizes());
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_too_large_by_itself_fails() {
    let server = Arc::new(Server { accepts: items(0), ..Server::default() });
    let answers = submit_all(&server, settings(), 0..3).await;
    assert_eq!(answers, vec![Err(PackError::Failed("too many".to_owned())); 3]);
}

#[tokio::test(start_paused = true)]
async fn repeated_items_share_a_request_with_others() {
    let server = Arc::new(Server { failures: Mutex::new(1), known: items(10), ..Server::default() });
    let packer = Packer::new(To(Arc::clone(&server)), settings());
    let late = async {
        sleep(WAIT + server.latency + Duration::from_millis(1)).await;
        packer.submit(0, 1, 1, 3).await
    };
    let (one, two, three) = tokio::join!(packer.submit(0, 1, 1, 1), packer.submit(0, 1, 1, 2), late);
    assert_eq!((one, two, three), (Ok(2), Ok(4), Ok(6)));
    let requests: Vec<Vec<u32>> = server.requests().into_iter().map(|request| request.items).collect();
    assert_eq!(requests, [vec![1, 2], vec![1, 2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn repetitions_end() {
    let server = Arc::new(Server { failures: Mutex::new(1), ..Server::default() });
    let answers = submit_all(&server, PackSettings { max_tries: 1, ..settings() }, 0..3).await;
    assert_eq!(answers, vec![Err(PackError::Failed("overloaded".to_owned())); 3]);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_number_of_outputs_fails_all_items() {
    let server = Arc::new(Server { missing: 1, ..Server::default() });
    let answers = submit_all(&server, settings(), 0..3).await;
    assert_eq!(answers, vec![Err(PackError::Count { items: 3, outputs: 2 }); 3]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_sender_fails_only_its_items() {
    let server = Arc::new(Server { known: items(2), ..Server::default() });
    let answers = submit_all(&server, settings(), [1, 2, PANIC, 3, 4, 5]).await;
    assert_eq!(answers, [Ok(2), Ok(4), Err(PackError::Stopped), Err(PackError::Stopped), Ok(8), Ok(10)]);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_breaks_its_request_is_found_and_the_others_get_their_answers() {
    for bad in 0..40 {
        let server = Arc::new(Server { breaking: [bad].into(), known: items(40), ..Server::default() });
        let answers = submit_all(&server, settings(), 0..40).await;
        for (number, answer) in (0..40).zip(answers) {
            let expected = if number == bad { Err(PackError::Failed("broken".to_owned())) } else { Ok(number * 2) };
            assert_eq!(answer, expected, "{bad}");
        }
        let extra = server.requests().len() - 1;
        assert!(extra as f64 <= 2.0 * 40_f64.log2(), "{extra} extra requests for item {bad}");
        let broken = server.broken.lock();
        assert!(broken[0] == (40, false) && broken[1..].iter().all(|(_, is_search)| *is_search), "{broken:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn packs_become_smaller_if_only_their_size_breaks_requests() {
    let server = Arc::new(Server { breaks_above: 10, known: items(32), ..Server::default() });
    let packer = Packer::new(To(Arc::clone(&server)), settings());
    let submit = async |count: u32| join_all((0..count).map(|number| packer.submit(0, 1, 1, number))).await;
    assert!(submit(32).await.iter().all(Result::is_ok));
    let first = server.sizes().len();
    assert!(submit(32).await.iter().all(Result::is_ok));
    assert_eq!(server.sizes()[first..], [8; 4]);
}

#[tokio::test(start_paused = true)]
async fn packs_keep_to_the_size_that_works_if_larger_ones_get_unusable_responses() {
    for (works, max_in_flight) in [(1, 1), (2, 1), (10, 1), (1, 16), (2, usize::MAX)] {
        let server = Arc::new(Server { unusable_above: works, known: items(40), max_in_flight, ..Server::default() });
        let packer = Packer::new(To(Arc::clone(&server)), settings());
        let answers = join_all((0..320).map(|number| packer.submit(0, 1, 1, number))).await;
        assert_eq!(answers, (0..320).map(|number| Ok(number * 2)).collect::<Vec<_>>());
        let sent: usize = server.sizes().iter().sum();
        assert!(sent <= 3 * 320, "{sent} items sent, {works} work, {max_in_flight} at a time");
        assert!(max_in_flight > 1 || sent <= 320 + 80, "{sent} items sent, {works} work");
        assert!(server.noted.lock().iter().all(|limits| limits.max_items <= works));
        let before = server.sizes().len();
        assert!(join_all((320..400).map(|number| packer.submit(0, 1, 1, number))).await.iter().all(Result::is_ok));
        assert!(server.sizes()[before..].iter().all(|size| *size <= works));
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_with_a_doubtful_output_is_sent_once_more_alone() {
    let server = Arc::new(Server { doubtful: [0, 7, 39].into(), known: items(40), max_partial: 1, ..Server::default() });
    let answers = submit_all(&server, settings(), 0..40).await;
    assert_eq!(answers, (0..40).map(|number| Ok(number * 2)).collect::<Vec<_>>());
    assert_eq!(server.sizes(), [40, 1, 1, 1]);
}
