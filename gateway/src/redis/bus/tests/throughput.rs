use hubbub_testbed::RedisServer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn bursts_are_heard_whole_and_in_order() {
    const MESSAGES: usize = 100_000;
    const BURST: usize = 500;
    let server = RedisServer::start();
    let rig = Rig::new(&server.url());
    let channel = rig.room(9, "general");
    rig.subscribe(&channel).await;
    let (mut reader, mut writer) = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap().into_split();
    rig.tasks.spawn(async move { while reader.read(&mut [0; 4_096]).await.is_ok_and(|read| read > 0) {} });
    let began = Instant::now();
    for burst in 0..MESSAGES / BURST {
        let mut commands = Vec::new();
        for number in burst * BURST..(burst + 1) * BURST {
            let (name, payload) = (&channel.name, format!("{number:0100}"));
            let command = format!("*3\r\n$8\r\nSPUBLISH\r\n${}\r\n{name}\r\n$100\r\n{payload}\r\n", name.len());
            commands.extend_from_slice(command.as_bytes());
        }
        writer.write_all(&commands).await.unwrap();
        sleep(Duration::from_millis(2)).await;
    }
    until("all messages", || rig.ear.heard.lock().len() == MESSAGES || rig.ear.missed() > 0).await;
    println!("{MESSAGES} messages in bursts of {BURST} were heard in {:?}", began.elapsed());
    let number = |payload: &Bytes| str::from_utf8(payload).unwrap().parse().unwrap();
    let numbers: Vec<usize> = rig.ear.heard.lock().iter().map(|(_, payload)| number(payload)).collect();
    assert!(numbers.is_sorted());
    assert!(numbers.len() == MESSAGES || rig.ear.missed() > 0);
    drop(writer);
    rig.end().await;
}
