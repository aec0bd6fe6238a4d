/** Strangers without a chip who begin a handshake, do not go on, and come again whenever they are cut off. */

import { KIND_HANDSHAKE } from "../../firmware/protocol/messages.js";
import { openLine } from "../../host/communications/client.js";
import type { Line } from "../../host/communications/line.js";
import { systemRandom } from "../../host/randomness.js";
import { systemTimers } from "../../host/services/clock.js";
import { CuttingProxy } from "./lines.js";

const lines = { timers: systemTimers, random: systemRandom };
/** Another address of this machine. */
const ELSEWHERE = "127.0.0.2";
const AGAIN_MS = 5;

/** What a handshake begins with, for any element: a key that is one, and nobody's. */
export function firstHandshake(address: number): Uint8Array {
  const key = new Uint8Array(32);
  systemRandom.fill(key);
  return Uint8Array.of(address, KIND_HANDSHAKE, 1, 1, ...key);
}

export interface Crowd {
  readonly number: number;
  /** How often any of them came. */
  readonly lines: () => number;
  close(): Promise<void>;
}

/** So many of them, all of whom are there once this resolves. */
export async function strangersAt(
  url: string,
  purpose: string,
  address: number,
  number: number,
  from: "here" | "elsewhere",
): Promise<Crowd> {
  const { hostname, port } = new URL(url);
  const target = { host: hostname, port: Number(port), ...(from === "here" ? {} : { localAddress: ELSEWHERE }) };
  const proxy = await CuttingProxy.open(target, systemTimers);
  const open = new Set<Line>();
  let count = 0;
  let isOver = false;
  const come = async (): Promise<void> => {
    const line = await openLine(proxy.url, purpose, lines).catch(() => undefined);
    if (isOver) return line?.close();
    if (line === undefined) {
      systemTimers.after(AGAIN_MS, () => void come());
      return;
    }
    count += 1;
    open.add(line);
    line.onClose(() => {
      open.delete(line);
      if (!isOver) systemTimers.after(AGAIN_MS, () => void come());
    });
    line.send(firstHandshake(address));
  };
  await Promise.all(Array.from({ length: number }, come));
  return {
    number,
    lines: () => count,
    close: async () => {
      isOver = true;
      for (const line of open) line.close();
      await proxy.close();
    },
  };
}
