//! The library against brokers that people run: Debian's Mosquitto, and burgee's own program.
//!
//! What must hold: a story says nothing of the broker it runs with, so that both have to do the same. Brokers are started here,
//! on ports and in folders of their own, and ended by their process.
//! Deliberately absent: single packets, which the suite beside looks at.
//!
//! `scripts/client-interop` runs it; by hand, `BURGEE_BIN` and `MOSQUITTO_BIN` name the programs.

#![cfg(all(feature = "outbox", feature = "blocking", feature = "tls", feature = "websocket"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests: a panic is how they report"
)]

mod broker;
mod cuts;
mod deliveries;
mod ways;

/// Each story with each broker.
macro_rules! with_both {
    ($($module:ident :: $story:ident),* $(,)?) => {
        mod mosquitto {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "it needs Mosquitto and the built program: scripts/client-interop brings both"]
                async fn $story() {
                    crate::$module::$story(crate::broker::Kind::Mosquitto).await;
                }
            )*
        }

        mod burgee {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "it needs the built program: scripts/client-interop brings it"]
                async fn $story() {
                    crate::$module::$story(crate::broker::Kind::Burgee).await;
                }
            )*
        }
    };
}

with_both! {
    deliveries::each_qos_arrives_as_it_was_granted,
    deliveries::payloads_of_all_sizes_and_topics_of_all_letters_arrive_whole,
    deliveries::what_is_retained_comes_with_the_subscription_until_it_is_cleared,
    deliveries::the_will_comes_after_a_cut_and_not_after_disconnect,
    deliveries::acknowledgements_by_hand_keep_what_was_not_acknowledged,
    deliveries::what_nobody_subscribes_to_any_more_does_not_come,
    cuts::a_kept_session_brings_what_came_while_the_client_was_away,
    cuts::a_broker_that_is_ended_and_starts_again_costs_no_message,
    cuts::an_outbox_goes_on_after_the_process_was_killed,
    cuts::a_start_without_its_session_loses_no_new_message,
    ways::tls_believes_its_own_authority_and_no_other,
    ways::web_sockets_carry_it_all,
    ways::a_program_without_async_does_the_same,
}

/// What the process does that is going to be killed. In an ordinary run there is nothing to do.
#[tokio::test]
async fn the_process_that_is_killed() {
    cuts::publish_until_killed().await;
}
