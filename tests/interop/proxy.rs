//! The REST interface of `dhtnode` 2.4.12. It puts whatever JSON says, so that a real node can be
//! made to send value types that no other face of it offers, and values that are wrong.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use serde_json::Value as Json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{interval, timeout},
};

use crate::peer::DEADLINE;

/// Where the interface is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proxy(SocketAddr);

impl Proxy {
    /// The program takes a port and cannot be asked to choose one.
    pub(crate) fn on_a_free_port() -> Self {
        let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        Self(probe.local_addr().expect("it is bound"))
    }

    pub(crate) fn port(self) -> u16 {
        self.0.port()
    }

    /// Waits until the node knows a good node.
    pub(crate) async fn wait_connected(self) {
        let connected = async {
            let mut tries = interval(Duration::from_millis(50));
            while self.ask("GET", "/node/info", "").await[0]["ipv4"]["good"] == 0 {
                tries.tick().await;
            }
        };
        timeout(DEADLINE, connected)
            .await
            .expect("dhtnode reached no node in time");
    }

    /// Puts a value: `id` as text, `data` in base64, `type`, `permanent`…, as the node itself shows
    /// it.
    pub(crate) async fn put(self, key: &str, value: &Json) {
        let answer = self
            .ask("POST", &format!("/key/{key}"), &value.to_string())
            .await;
        assert!(
            answer[0]["err"].is_null(),
            "dhtnode did not put: {answer:?}"
        );
    }

    /// Gets the values under a key that pass the node's checks.
    pub(crate) async fn get(self, key: &str) -> Vec<Json> {
        self.ask("GET", &format!("/key/{key}"), "").await
    }

    /// Sends a request; the answer's lines of JSON.
    async fn ask(self, method: &str, path: &str, body: &str) -> Vec<Json> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: proxy\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        let exchange = async {
            let mut stream = self.connect().await;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = timeout(DEADLINE, exchange)
            .await
            .expect("dhtnode did not answer in time")
            .expect("dhtnode answers in text");
        // Chunk sizes stand on lines of their own.
        let lines = answer.lines().filter(|line| line.starts_with('{'));
        lines
            .map(|line| serde_json::from_str(line).expect("dhtnode answers in JSON"))
            .collect()
    }

    /// Makes a connection, as soon as the program listens.
    async fn connect(self) -> TcpStream {
        let mut tries = interval(Duration::from_millis(20));
        loop {
            tries.tick().await;
            if let Ok(stream) = TcpStream::connect(self.0).await {
                return stream;
            }
        }
    }
}
