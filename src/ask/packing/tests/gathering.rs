//! When packs close, and what they hold.

use super::*;
use std::pin::pin;

#[tokio::test(start_paused = true)]
async fn concurrent_items_become_the_fewest_requests() {
    let server = Arc::new(Server { known: items(64), accepts: items(64), ..Server::default() });
    let answers = submit_all(&server, settings(), 0..1000).await;
    assert_eq!(answers, (0..1000).map(|number| Ok(number * 2)).collect::<Vec<_>>());
    assert_eq!(server.sizes().len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_full_pack_goes_at_once_and_a_lone_item_after_its_wait() {
    let server = Arc::new(Server { known: items(4), ..Server::default() });
    let began = Instant::now();
    submit_all(&server, settings(), 0..5).await;
    let sent: Vec<(usize, Duration)> = server.requests().iter().map(|request| (request.items.len(), request.at - began)).collect();
    assert_eq!(sent, [(4, Duration::ZERO), (1, WAIT)]);
}

#[tokio::test(start_paused = true)]
async fn packs_do_not_wait_for_responses() {
    let server = Arc::new(Server { known: items(10), ..Server::default() });
    let began = Instant::now();
    submit_all(&server, settings(), 0..1000).await;
    assert_eq!((server.in_flight.lock().1, began.elapsed()), (100, server.latency));
}

#[tokio::test(start_paused = true)]
async fn groups_share_no_request() {
    let server = Arc::new(Server::default());
    let packer = Packer::new(To(Arc::clone(&server)), settings());
    join_all((0..60_u32).map(|number| packer.submit(u8::try_from(number % 3).unwrap(), 1, 1, number))).await;
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert!(request.items.len() == 20 && request.items.iter().all(|number| number % 3 == u32::from(request.group)));
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_and_bytes_close_packs_and_a_giant_travels_alone() {
    for (known, sizes) in [
        (PackLimits { max_tokens: 100, ..PackLimits::NONE }, [(30, 0); 10]),
        (PackLimits { max_bytes: 100, ..PackLimits::NONE }, [(0, 30); 10]),
    ] {
        let server = Arc::new(Server { known, ..Server::default() });
        let packer = Packer::new(To(Arc::clone(&server)), settings());
        let giant = (sizes[0].0 * 10, sizes[0].1 * 10);
        let submit = |(number, (tokens, bytes)): (usize, (u64, u64))| packer.submit(0, tokens, bytes, u32::try_from(number).unwrap());
        let answers = join_all(sizes.into_iter().chain([giant]).enumerate().map(submit)).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(server.sizes(), [3, 3, 3, 1, 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_sorts_by_length_and_keeps_answers() {
    let server = Arc::new(Server { known: items(4), ..Server::default() });
    let packer = Packer::new(To(Arc::clone(&server)), PackSettings { window: 4, ..settings() });
    let answers = join_all((0..24_u32).map(|number| packer.submit(0, u64::from(number % 4), 1, number))).await;
    assert_eq!(answers, (0..24).map(|number| Ok(number * 2)).collect::<Vec<_>>());
    let requests = server.requests();
    // A server with nothing to do does not wait for a window.
    assert_eq!([&requests[0].items[..], &requests[1].items], [[0, 1, 2, 3], [4, 5, 6, 7]]);
    assert_eq!(requests.len(), 6);
    for request in &requests[2..] {
        assert!(request.items.iter().all(|number| number % 4 == request.items[0] % 4), "{request:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn packs_fill_while_there_is_no_room_for_a_request() {
    let server = Arc::new(Server { known: items(100), max_in_flight: 1, ..Server::default() });
    let packer = Packer::new(To(Arc::clone(&server)), settings());
    let submit = async |number: u32| {
        sleep(Duration::from_millis(u64::from(number))).await;
        packer.submit(0, 1, 1, number).await.unwrap()
    };
    join_all((0..100).map(submit)).await;
    // At 10, 60 and 110 ms.
    assert_eq!((server.sizes().len(), server.in_flight.lock().1), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_item_leaves_its_pack() {
    let server = Arc::new(Server { known: items(3), ..Server::default() });
    let packer = Packer::new(To(Arc::clone(&server)), settings());
    let (first, second) = (packer.submit(0, 1, 1, 1), packer.submit(0, 1, 1, 2));
    {
        let mut second = pin!(second);
        tokio::select! {
            biased;
            _ = &mut second => {}
            () = sleep(WAIT / 2) => {}
        }
    }
    let (one, three) = tokio::join!(first, packer.submit(0, 1, 1, 3));
    assert_eq!((one, three), (Ok(2), Ok(6)));
    assert_eq!(server.requests()[0].items, [1, 3]);
    // All gone: no empty request.
    let mut lone = Box::pin(packer.submit(0, 1, 1, 4));
    assert!(tokio::time::timeout(WAIT / 2, &mut lone).await.is_err());
    drop(lone);
    sleep(WAIT * 10).await;
    assert_eq!(server.sizes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn submissions_wait_while_the_packer_is_full() {
    for settings in [PackSettings { max_items: 10, ..settings() }, PackSettings { max_bytes: 10 << 10, ..settings() }] {
        let server = Arc::new(Server { known: items(5), ..Server::default() });
        let packer = Packer::new(To(Arc::clone(&server)), settings);
        let answers = join_all((0..100).map(|number| packer.submit(0, 1, 1024, number))).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!((server.in_flight.lock().1, server.sizes()), (2, vec![5; 20]));
    }
}

#[tokio::test(start_paused = true)]
async fn packs_fill_while_the_server_is_busy() {
    // Two packs of 8 are on their way, so that 2 or 4 items wait inside, and others for their room.
    let settings = || PackSettings { max_wait: WAIT * 100, max_pause: WAIT, max_busy_wait: WAIT * 1000, ..settings() };
    for settings in [PackSettings { max_items: 18, ..settings() }, PackSettings { max_bytes: 20 << 10, ..settings() }] {
        let server = Arc::new(Server { known: items(8), ..Server::default() });
        let packer = Packer::new(To(Arc::clone(&server)), settings);
        join_all((0..80).map(|number| packer.submit(0, 1, 1024, number))).await;
        assert_eq!(server.sizes(), [8; 10]);
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_packer_cancels_its_requests() {
    let server = Arc::new(Server { latency: Duration::from_hours(1), ..Server::default() });
    let weak = Arc::downgrade(&server);
    let packer = Packer::new(To(server), settings());
    assert!(tokio::time::timeout(WAIT * 2, packer.submit(0, 1, 1, 1)).await.is_err());
    drop(packer);
    sleep(WAIT).await;
    assert!(weak.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn partial_packs_wait_for_one_response_at_most() {
    let server = Arc::new(Server { known: items(32), max_partial: 1, ..Server::default() });
    let packer = Packer::new(To(Arc::clone(&server)), settings());
    let submit = async |number: u32| {
        sleep(Duration::from_millis(number.into())).await;
        let submitted = Instant::now();
        packer.submit(0, 1, 1, number).await.unwrap();
        submitted.elapsed()
    };
    let times = join_all((0..100).map(submit)).await;
    // The first pack holds what came within 10 ms. The others are full, or wait for its response.
    assert_eq!(server.sizes(), [11, 32, 18, 32, 7]);
    assert!(times.iter().all(|time| *time <= WAIT + 2 * server.latency), "{times:?}");
}
