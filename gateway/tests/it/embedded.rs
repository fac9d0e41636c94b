//! What holds only where everything is kept in the gateway itself.

use serde_json::json;

use crate::crowd::crowd;
use crate::frames::shows;
use crate::harness::Gateway;

#[tokio::test]
async fn where_the_store_has_no_place_a_send_is_unavailable_and_everything_else_goes_on() {
    let gateway = Gateway::with(|config| config.broker.memory_total_bytes = 100_000).await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let send = |n: u64| json!({"type": "send", "room": "r", "key": format!("{n:064}"), "data": n});
    // Entries make place for others; keys that are remembered do not.
    let mut accepted = 0;
    let refusal = loop {
        let reply = ada.ask(send(accepted + 1)).await;
        if reply["type"] == "error" {
            break reply;
        }
        accepted += 1;
        shows(&reply, json!({"type": "sent", "seq": accepted}));
        assert!(accepted < 5_000, "100,000 bytes hold so many keys?");
    };
    shows(&refusal, json!({"code": "unavailable"}));
    assert!(refusal["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{refusal}");
    shows(&ada.ask(send(1)).await, json!({"type": "sent", "seq": 1, "duplicate": true}));
    assert_eq!(ada.pending().await.len() as u64, accepted);
    shows(&ada.ask(json!({"type": "history", "room": "r"})).await, json!({"type": "history", "seq": accepted}));
    shows(&ada.ask(json!({"type": "signal", "room": "r", "data": 1})).await, json!({"type": "ok"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_loses_nothing_where_memory_is_so_short_that_all_fall_behind_and_read_the_log() {
    crowd(|config| {
        (config.hub.ring_entries, config.hub.ring_bytes) = (4, 1_024);
        (config.connection.reply_bytes, config.connection.outbox_bytes) = (4_096, 8_192);
        config.hub.log_reads_max = 8;
    })
    .await;
}
