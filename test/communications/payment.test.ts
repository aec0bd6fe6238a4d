/** Devices on two hosts: a payment and a purchase over real sockets on loopback, whose connection is cut at every message. */

import { describe, expect, test } from "vitest";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import { openLine } from "../../host/communications/client.js";
import { LineServer } from "../../host/communications/server.js";
import { parseMoney } from "../../host/units.js";
import { BankWorld, spendable } from "../support/bank-world.js";

const USD = 840;

describe("a payment between two hosts", () => {
  test("goes over a line as it goes over a table", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 20.00");
    const bob = await world.module("bob");
    const received: Promise<unknown>[] = [];
    const server = await LineServer.open({
      purposes: ["pay"],
      onLine: (line) => void received.push(receive(bob, line)),
      timers: world.time,
      random: world.random,
    });
    const line = await world.time.run(openLine(server.url, "pay", { timers: world.time, random: world.random }));
    const paid = await world.time.run(pay(alice, line, parseMoney("USD 3.00")));
    expect(paid.confirmed).toBe(true);
    await world.time.run(Promise.all(received));
    expect(await spendable(bob, USD)).toBe(300n);
    await world.time.run(server.close());
  });
});
