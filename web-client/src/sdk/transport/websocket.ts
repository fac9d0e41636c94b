import type { OpenSocket } from "./transport";

const SUBPROTOCOL = "hubbub.v1";

/** Opens the platform's WebSocket: the only place that knows it. */
export const openWebSocket: OpenSocket = (url, reports) => {
  const socket = new WebSocket(url, SUBPROTOCOL);
  socket.onopen = () => reports.opened();
  socket.onmessage = (event) => reports.received(event.data);
  socket.onclose = (event) => reports.closed(event.code, event.reason);
  return {
    send: (text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close: () => socket.close(1000),
  };
};
