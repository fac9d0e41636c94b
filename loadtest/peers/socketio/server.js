// A chat server as the documentation of Socket.IO builds one: whoever is in a room gets what is said there.
//
//   PORT=9000 node server.js                                      one process, with the adapter in memory
//   PORT=9000 REDIS_URL=redis://127.0.0.1:6379 node server.js     one of several, with the Redis adapter
//
// It follows the pages on performance and memory: WebSockets alone, no compression, the native add-on for masks, and the
// request of the upgrade let go of.

import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const { PORT = "0", REDIS_URL } = process.env;

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
});

if (REDIS_URL) {
  const publisher = createClient({ url: REDIS_URL });
  const subscriber = publisher.duplicate();
  for (const client of [publisher, subscriber]) client.on("error", (error) => console.error(error));
  await Promise.all([publisher.connect(), subscriber.connect()]);
  io.adapter(createAdapter(publisher, subscriber));
}

io.engine.on("connection", (socket) => {
  socket.request = null;
});

io.on("connection", (socket) => {
  socket.on("join", async (room) => {
    await socket.join(room);
    socket.emit("joined", room);
  });
  socket.on("send", (room, data) => {
    io.to(room).emit("message", room, data);
  });
});

http.listen({ port: Number(PORT), host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`Socket.IO listens on 127.0.0.1:${http.address().port}`);
});
