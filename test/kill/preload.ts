/**
 * Loaded into a process before its program (`node --import`): counts the moments at which it can be killed, and kills it at the
 * one that was ordered. A server gets its order over the channel to whoever started it, when a transaction begins; a command
 * finds it in its environment, and counts from its first write.
 */

import { subscribe } from "node:diagnostics_channel";
import { writeFileSync } from "node:fs";
import type { FromPreload, Order, Sort, ToPreload } from "./orders.js";

const counts: Record<Sort, number> = { envelope: 0, durable: 0 };
let order: Order | undefined = orderOf(process.env["TALLY_KILL"]);

function orderOf(text: string | undefined): Order | undefined {
  return text === undefined || text === "" ? undefined : (JSON.parse(text) as Order);
}

function moment(sort: Sort): void {
  counts[sort] += 1;
  if (order?.sort === sort && order.at === counts[sort]) process.kill(process.pid, "SIGKILL");
}

subscribe("tallystick:envelope", () => moment("envelope"));
subscribe("tallystick:durable", () => moment("durable"));

process.on("message", (message: ToPreload) => {
  const answer: FromPreload = { number: message.number, counts: { ...counts } };
  if (message.kind === "order") {
    order = message.order;
    counts.envelope = 0;
    counts.durable = 0;
  }
  process.send?.(answer);
});
// Whoever started this process is gone: it has nobody to serve.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
// The channel alone keeps no process alive.
(process as { channel?: { unref(): void } }).channel?.unref();

const countsFile = process.env["TALLY_KILL_COUNTS"];
if (countsFile !== undefined) process.on("exit", () => writeFileSync(countsFile, JSON.stringify(counts)));
