/** A customer that vanishes, and the next one. */

import { afterEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { openLine } from "../../host/communications/client.js";
import { encodeFrame, SUBPROTOCOL } from "../../host/communications/frames.js";
import type { PeerLink } from "../../host/communications/link.js";
import { LineServer } from "../../host/communications/server.js";
import { systemRandom } from "../../host/randomness.js";
import { systemTimers } from "../../host/services/clock.js";

const parts = { timers: systemTimers, random: systemRandom };
let server: LineServer;
afterEach(() => server.close());

async function openServer(): Promise<PeerLink[]> {
  const lines: PeerLink[] = [];
  const limits = { giveUpAwaitedAfter_ms: 50 };
  server = await LineServer.open({ ...parts, limits, purposes: ["pay"], onLine: (line) => void lines.push(line) });
  return lines;
}

/** Says hello, and is gone as a killed process is. */
async function vanish(): Promise<void> {
  const socket = new WebSocket(server.url, [SUBPROTOCOL]);
  await new Promise((resolve) => socket.once("open", resolve));
  socket.send(encodeFrame({ kind: "hello", token: undefined, expected: 0, purpose: "pay" }));
  await new Promise((resolve) => socket.once("message", resolve));
  socket.terminate();
}

test("is waited for no longer than a moment once somebody else is there", async () => {
  const lines = await openServer();
  await vanish();
  let isOver = false;
  const over = new Promise<void>((resolve) =>
    lines[0]?.onClose(() => {
      isOver = true;
      resolve();
    }),
  );
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(isOver, "while nobody else is there it may come back").toBe(false);
  const next = await openLine(server.url, "pay", parts);
  await over;
  next.close();
});

test("the same when the other was there before", async () => {
  const lines = await openServer();
  const waiting = await openLine(server.url, "pay", parts);
  await vanish();
  await new Promise<void>((resolve) => lines[1]?.onClose(resolve));
  expect(waiting.isOver).toBe(false);
  waiting.close();
});
