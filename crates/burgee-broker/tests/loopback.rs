//! The whole broker over loopback: what one client does must reach the others and must not harm them.

mod support;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::{
    Client, PATIENCE, connect_packet, connect_with_will, publish_packet, publish_qos1, start, subscribe_packet,
};

/// A complete broker without mail, and one whose clients live on different shards.
const SHARDS: [u16; 2] = [1, 3];

#[test]
fn a_message_reaches_its_subscribers() {
    for shards in SHARDS {
        let (broker, address) = start(shards, |_| {});
        let mut subscribers: Vec<_> = (0..8)
            .map(|at| Client::subscribed(address, &format!("sub{at}"), "news/#", 0))
            .collect();
        let mut publishers: Vec<_> = (0..4).map(|at| Client::connect(address, &format!("pub{at}"))).collect();
        for publisher in &mut publishers {
            let packet = publish_packet("news/x", b"hello");
            publisher.send(&packet);
            for subscriber in &mut subscribers {
                subscriber.expect(&packet);
            }
        }
        assert!(broker.shutdown(Duration::from_secs(5)));
    }
}

#[test]
fn a_large_payload_arrives_whole() {
    for shards in SHARDS {
        let (_broker, address) = start(shards, |_| {});
        let payload: Vec<u8> = (0..=250_u8).cycle().take(16 << 20).collect();
        let packet = publish_packet("large", &payload);
        let mut subscriber = Client::subscribed(address, "sub", "large", 0);
        let expected = packet.clone();
        let reader = thread::spawn(move || {
            subscriber.expect(&expected);
            subscriber
        });
        let mut publisher = Client::connect(address, "pub");
        publisher.send(&packet);
        let mut subscriber = reader.join().unwrap();
        publisher.send(&publish_packet("large", b"small again"));
        subscriber.expect(&publish_packet("large", b"small again"));
    }
}

#[test]
fn messages_of_one_publisher_arrive_in_order() {
    for shards in SHARDS {
        let (_broker, address) = start(shards, |config| config.core.mail_bytes = 4096);
        let mut subscriber = Client::subscribed(address, "sub", "count", 1);
        let mut publisher = Client::connect(address, "pub");
        let writer = thread::spawn(move || {
            for number in 0..20_000_u32 {
                publisher.send(&publish_packet("count", &number.to_be_bytes()));
            }
            publisher
        });
        for number in 0..20_000_u32 {
            subscriber.expect(&publish_packet("count", &number.to_be_bytes()));
        }
        drop(writer.join().unwrap());
    }
}

#[test]
fn many_publishers_of_qos_1_get_all_their_answers_through_narrow_mail() {
    for shards in SHARDS {
        let (_broker, address) = start(shards, |config| config.core.mail_bytes = 2048);
        let mut subscriber = Client::subscribed(address, "sub", "in/#", 0);
        let publishers: Vec<_> = (0..6)
            .map(|at| {
                thread::spawn(move || {
                    let mut client = Client::connect(address, &format!("pub{at}"));
                    let mut reader = Client(client.0.try_clone().unwrap());
                    let answers = thread::spawn(move || {
                        for id in 1..=2000_u16 {
                            let [high, low] = id.to_be_bytes();
                            reader.expect(&[0x40, 2, high, low]);
                        }
                    });
                    for id in 1..=2000_u16 {
                        client.send(&publish_qos1("in/x", id, &[at; 200]));
                    }
                    answers.join().unwrap();
                })
            })
            .collect();
        let one = publish_packet("in/x", &[0; 200]).len();
        let mut got = vec![0; one * 6 * 2000];
        subscriber.0.read_exact(&mut got).unwrap();
        for publisher in publishers {
            publisher.join().unwrap();
        }
        for at in 0..6 {
            let mine = got.chunks(one).filter(|packet| packet.last() == Some(&at)).count();
            assert_eq!(mine, 2000, "of publisher {at}");
        }
    }
}

#[test]
fn a_byte_at_a_time_is_enough() {
    for shards in SHARDS {
        let (_broker, address) = start(shards, |_| {});
        let mut other = Client::connect(address, "other");
        let mut slow = Client::raw(address);
        let packets = [
            &connect_packet("slow", true)[..],
            &subscribe_packet("t", 0)[..],
            &publish_packet("t", b"mine"),
        ];
        for byte in packets.concat() {
            slow.send(&[byte]);
            other.ping(); // a turn of the broker, so that they do not come together
        }
        slow.expect(&[0x20, 2, 0, 0]);
        slow.expect(&[0x90, 3, 0, 1, 0]);
        slow.expect(&publish_packet("t", b"mine"));
    }
}

#[test]
fn a_client_that_does_not_read_harms_nobody() {
    for shards in SHARDS {
        let (_broker, address) = start(shards, |_| {});
        let deaf = Client::subscribed(address, "deaf", "flood", 0);
        let mut other = Client::subscribed(address, "other", "quiet", 0);
        let mut publisher = Client::connect(address, "pub");
        let packet = publish_packet("flood", &[1; 4000]);
        // Far more than the kernel and the outbox hold.
        for _ in 0..10_000 {
            publisher.send(&packet);
        }
        publisher.send(&publish_packet("quiet", b"still here"));
        other.expect(&publish_packet("quiet", b"still here"));
        publisher.ping();
        drop(deaf);
        other.ping();
    }
}

#[test]
fn a_client_that_takes_no_answers_is_not_read_and_harms_nobody() {
    for shards in SHARDS {
        let (_broker, address) = start(shards, |config| config.core.outbox_bytes = 8192);
        let mut greedy = Client::connect(address, "greedy");
        let mut other = Client::connect(address, "other");
        greedy.0.set_nonblocking(true).unwrap();
        let pings = [0xC0, 0].repeat(4096);
        let (mut sent, mut stuck) = (0_usize, 0);
        // Until the kernel takes no more, for long enough to be sure: the broker has stopped reading.
        while stuck < 100 && sent < 1 << 30 {
            if let Ok(count) = greedy.0.write(&pings[sent % 2..]) {
                (sent, stuck) = (sent + count, 0);
            } else {
                stuck += 1;
                other.ping(); // the broker takes turns meanwhile
            }
        }
        assert!(stuck == 100, "it was read on and on: {sent} bytes");
        // Once it reads, it gets an answer for each whole request.
        greedy.0.set_nonblocking(false).unwrap();
        greedy.expect(&[0xD0, 0].repeat(sent / 2));
    }
}

#[test]
fn garbage_closes_its_own_connection_only() {
    for shards in SHARDS {
        let (_broker, address) = start(shards, |_| {});
        let mut good = Client::subscribed(address, "good", "t", 0);
        for garbage in [
            &[0xFF; 50][..],
            b"GET / HTTP/1.1\r\n\r\n",
            &[0x10, 0xFF, 0xFF, 0xFF, 0xFF, 1],
            &[0, 0],
        ] {
            let mut bad = Client::raw(address);
            bad.send(garbage);
            assert_eq!(bad.into_rest(), b"");
        }
        let mut bad = Client::connect(address, "bad");
        bad.send(&[0xF0, 0]);
        assert_eq!(bad.into_rest(), b"");
        good.send(&publish_packet("t", b"x"));
        good.expect(&publish_packet("t", b"x"));
    }
}

#[test]
fn what_came_before_the_end_in_one_segment_is_delivered() {
    for shards in SHARDS {
        let (_broker, address) = start(shards, |_| {});
        let mut subscriber = Client::subscribed(address, "sub", "t", 0);
        for round in 0..20_u8 {
            let mut client = Client::raw(address);
            let connect = connect_packet(&format!("c{round}"), true);
            client.send(&[&connect[..], &publish_packet("t", &[round]), &[0xE0, 0]].concat());
            drop(client);
            subscriber.expect(&publish_packet("t", &[round]));
        }
    }
}

/// [MQTT-3.14.4-3] A reset right behind DISCONNECT must not bring the will back.
#[test]
fn a_reset_behind_disconnect_publishes_no_will() {
    for shards in SHARDS {
        let (_broker, address) = start(shards, |_| {});
        let mut subscriber = Client::subscribed(address, "sub", "#", 0);
        let mut publisher = Client::connect(address, "pub");
        for round in 0..50_u8 {
            let mut client = Client::raw(address);
            client.send(&connect_with_will("willing", "will", "no"));
            client.expect(&[0x20, 2, 0, 0]);
            // Something to write to it, so that the broker may meet the reset in writing.
            client.send(&[&[0xC0, 0].repeat(3)[..], &[0xE0, 0]].concat());
            socket2::SockRef::from(&client.0)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
            drop(client);
            publisher.send(&publish_packet("marker", &[round]));
            subscriber.expect(&publish_packet("marker", &[round]));
        }
    }
}

/// [MQTT-3.14.4-3] The new connection may come in through another shard, and must not overtake the DISCONNECT.
#[test]
fn a_client_that_comes_back_at_once_behind_disconnect_publishes_no_will() {
    for shards in SHARDS {
        let (_broker, address) = start(shards, |_| {});
        let mut subscriber = Client::subscribed(address, "sub", "#", 0);
        // Busy shards, so that what a turn sees is not always the newest.
        let busy = Arc::new(AtomicBool::new(true));
        let crowd: Vec<_> = (0..4)
            .map(|at| {
                let busy = Arc::clone(&busy);
                let mut client = Client::connect(address, &format!("crowd{at}"));
                thread::spawn(move || {
                    while busy.load(Ordering::Relaxed) {
                        client.send(&[0xC0, 0].repeat(20));
                        client.expect(&[0xD0, 0].repeat(20));
                    }
                })
            })
            .collect();
        let mut publisher = Client::connect(address, "pub");
        for round in 0..500 {
            let mut client = Client::raw(address);
            client.send(&connect_with_will(&format!("willing{}", round / 5 % 6), "will", "no"));
            client.expect(&[0x20, 2, 0, 0]);
            client.send(&[0xE0, 0]);
        }
        publisher.send(&publish_packet("marker", b"end"));
        subscriber.expect(&publish_packet("marker", b"end"));
        busy.store(false, Ordering::Relaxed);
        for client in crowd {
            client.join().unwrap();
        }
    }
}

#[test]
fn a_client_that_only_stops_sending_gets_what_it_was_owed() {
    for shards in SHARDS {
        let (_broker, address) = start(shards, |_| {});
        let mut subscriber = Client::subscribed(address, "sub", "large", 0);
        let mut publisher = Client::connect(address, "pub");
        let packet = publish_packet("large", &vec![7; 20 << 20]);
        publisher.send(&packet);
        // The kernel cannot hold so much: most of it is still unsent when the first byte is here.
        let mut first = [0];
        subscriber.0.read_exact(&mut first).unwrap();
        subscriber.0.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        subscriber.0.read_to_end(&mut rest).unwrap();
        assert!(first[0] == packet[0] && rest == packet[1..]);
    }
}

#[test]
fn a_client_that_vanishes_publishes_its_will() {
    for shards in SHARDS {
        let (_broker, address) = start(shards, |_| {});
        let mut subscriber = Client::subscribed(address, "sub", "will", 0);
        for reset in [false, true] {
            let mut client = Client::raw(address);
            client.send(&connect_with_will("willing", "will", "gone"));
            client.expect(&[0x20, 2, 0, 0]);
            if reset {
                socket2::SockRef::from(&client.0)
                    .set_linger(Some(Duration::ZERO))
                    .unwrap();
            }
            drop(client);
            subscriber.expect(&publish_packet("will", b"gone"));
        }
    }
}

#[test]
fn shutdown_publishes_wills_and_sends_what_is_left() {
    for shards in SHARDS {
        let (broker, address) = start(shards, |_| {});
        let subscribers: Vec<_> = (0..6)
            .map(|at| Client::subscribed(address, &format!("sub{at}"), "will/#", 0))
            .collect();
        let mut willing = Client::raw(address);
        willing.send(&connect_with_will("willing", "will/x", "the broker ends"));
        willing.expect(&[0x20, 2, 0, 0]);
        // More than the kernel takes at once, for one that reads late.
        let mut late = Client::subscribed(address, "late", "late", 0);
        let body = vec![5; 8 << 20];
        let mut publisher = Client::connect(address, "pub");
        publisher.send(&publish_packet("late", &body));
        publisher.ping();
        let expected = publish_packet("late", &body);
        let (begin, rest) = expected.split_at(3);
        late.expect(begin);
        let ending = thread::spawn(move || broker.shutdown(Duration::from_secs(10)));
        for subscriber in subscribers {
            assert_eq!(
                subscriber.into_rest(),
                publish_packet("will/x", b"the broker ends"),
                "{shards} shards"
            );
        }
        assert!(late.into_rest() == rest);
        assert_eq!(willing.into_rest(), b"");
        assert_eq!(publisher.into_rest(), b"");
        assert!(ending.join().unwrap());
        assert!(
            std::net::TcpStream::connect(address).is_err(),
            "nobody listens any more"
        );
    }
}

#[test]
fn shutdown_of_a_client_that_does_not_read_is_bounded() {
    let (broker, address) = start(1, |_| {});
    let deaf = Client::subscribed(address, "deaf", "flood", 0);
    let mut publisher = Client::connect(address, "pub");
    for _ in 0..5000 {
        publisher.send(&publish_packet("flood", &[1; 4000]));
    }
    publisher.ping();
    let begun = Instant::now();
    assert!(broker.shutdown(Duration::from_millis(300)));
    assert!(begun.elapsed() < PATIENCE);
    drop(deaf);
}

#[test]
fn connections_beyond_the_limit_are_closed_and_the_others_stay() {
    for shards in SHARDS {
        let (_broker, address) = start(shards, |config| config.max_open = 4);
        let mut held: Vec<_> = (0..4).map(|at| Client::connect(address, &format!("c{at}"))).collect();
        assert_eq!(Client::raw(address).into_rest(), b"");
        for client in &mut held {
            client.ping();
        }
        let mut gone = held.pop().unwrap();
        gone.send(&[0xE0, 0]);
        assert_eq!(gone.into_rest(), b"");
        // The place is free as soon as the broker saw the end.
        let until = Instant::now() + PATIENCE;
        loop {
            let mut client = Client::raw(address);
            if client.0.write_all(&connect_packet("again", true)).is_ok() {
                let mut answer = [0; 4];
                if client.0.read_exact(&mut answer).is_ok() {
                    assert_eq!(answer, [0x20, 2, 0, 0]);
                    break;
                }
            }
            assert!(Instant::now() < until, "the place did not get free");
        }
    }
}

#[test]
fn many_connections_come_and_go() {
    for shards in SHARDS {
        let (_broker, address) = start(shards, |_| {});
        let rounds: Vec<_> = (0..8)
            .map(|thread| {
                thread::spawn(move || {
                    for round in 0..150 {
                        let mut client = Client::connect(address, &format!("c{thread}-{}", round % 7));
                        if round % 3 == 0 {
                            client.send(&[0xE0, 0]);
                            assert_eq!(client.into_rest(), b"");
                        }
                    }
                })
            })
            .collect();
        for round in rounds {
            round.join().unwrap();
        }
        Client::connect(address, "last").ping();
    }
}
