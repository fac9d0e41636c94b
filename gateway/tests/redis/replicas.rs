//! Gateways that share a Redis.

use std::net::SocketAddr;
use std::time::Duration;

use hubbub::config::Config;
use tokio::time::{Instant, sleep};

use crate::harness::{Gateway, kind};
use crate::plain_http;

/// How soon `/readyz` tells how it is.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// Gateways in this process that share a Redis.
#[derive(Debug)]
pub(crate) struct Replicas {
    gateways: Vec<Gateway>,
}

impl Replicas {
    /// Starts them and waits until all are ready.
    pub(crate) async fn on(url: &str, count: usize) -> Self {
        Self::with(url, count, |_| {}).await
    }

    /// As `on`, with these settings changed.
    pub(crate) async fn with(url: &str, count: usize, change: impl Fn(&mut Config)) -> Self {
        let replicas = Self::starting(&vec![url; count], change).await;
        replicas.are("ready").await;
        replicas
    }

    /// As `on`, one at each of these URLs.
    pub(crate) async fn on_each(urls: &[&str]) -> Self {
        let replicas = Self::starting(urls, |_| {}).await;
        replicas.are("ready").await;
        replicas
    }

    /// Starts one at each of these URLs, and does not wait.
    pub(crate) async fn starting(urls: &[&str], change: impl Fn(&mut Config)) -> Self {
        let mut gateways = Vec::new();
        for url in urls {
            let gateway = Gateway::starting(|config| {
                config.redis.url = Some(url.parse().unwrap());
                kind(config, "*", |kind| (kind.keep_entries, kind.keep_bytes) = (1_000_000, 1 << 30));
                change(config);
            });
            gateways.push(gateway.await);
        }
        Self { gateways }
    }

    /// Where they listen.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.gateways.iter().map(Gateway::address).collect()
    }

    pub(crate) fn get(&self, number: usize) -> &Gateway {
        &self.gateways[number]
    }

    /// Asks all to go, and waits until they have.
    pub(crate) async fn stop(self) {
        for gateway in self.gateways {
            gateway.stop().await;
        }
    }

    /// `/readyz` of all says so, soon.
    pub(crate) async fn are(&self, status: &str) {
        for address in self.addresses() {
            is(address, status).await;
        }
    }
}

/// `/readyz` of this gateway says so, soon, with the HTTP status that belongs to it.
pub(crate) async fn is(address: SocketAddr, status: &str) {
    let since = Instant::now();
    loop {
        let answer = plain_http::get(address, "/readyz", &[]).await;
        let said = answer.json()["status"].as_str().unwrap().to_owned();
        let expected = if matches!(said.as_str(), "ready" | "degraded") { 200 } else { 503 };
        assert_eq!(answer.status, expected, "{answer:?}");
        let strict = plain_http::get(address, "/readyz?strict", &[]).await;
        if said == status {
            assert!(said != "degraded" || strict.status == 503 || strict.json()["status"] == "ready", "{strict:?}");
            return;
        }
        assert!(since.elapsed() < TOLD_WITHIN, "{address} is {said}, not {status}, after {TOLD_WITHIN:?}");
        sleep(Duration::from_millis(20)).await;
    }
}
