/** One WebSocket, as far as the client is concerned. Tests and other runtimes bring their own. */
export interface Socket {
  send(text: string): void;
  close(): void;
}

/** What becomes of a socket, told in this order; `closed` comes exactly once and last. */
export interface SocketReports {
  opened(): void;
  received(data: unknown): void;
  closed(code: number, reason: string): void;
}

export type OpenSocket = (url: string, reports: SocketReports) => Socket;
