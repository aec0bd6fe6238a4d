/** The line between acquirer and network: reconnecting client, durable outbox, and a network process that is killed. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { sha256 } from "../../host/crypto.js";
import { systemClock, systemTimers } from "../../host/services/clock.js";
import { type DatabaseLocation, openDatabase } from "../../host/services/database.js";
import { encodeMessage, type IsoMessage } from "../../host/services/iso8583/codec.js";
import { IsoServer } from "../../host/services/iso8583/framing.js";
import { authorizationMessage } from "../../host/services/iso8583/messages.js";
import {
  type CardTransport,
  NetworkClient,
  NetworkUnreachableError,
  StanSequence,
} from "../../host/services/network-client.js";
import { type NetworkConfig, networkConfigText, readNetworkConfig } from "../../host/services/network-config.js";
import { Outbox, type OutboxEntry, OutboxError, type OutboxTables } from "../../host/services/outbox.js";
import {
  ACQUIRER,
  CARD,
  CUSTOMER,
  HandClock,
  NETWORK_AGENT,
  network,
  outcomeOf,
  request,
  SETUP,
  STOLEN_CARD,
  STRANGER,
  TREE,
} from "./network-world.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "line-"));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Delays that pass at once, and are counted. */
function impatientTimers() {
  const delays: number[] = [];
  const after = (delay_ms: number, call: () => void) => {
    delays.push(delay_ms);
    const handle = setImmediate(call);
    return () => clearImmediate(handle);
  };
  return { delays, after };
}

async function outboxOver(transport: CardTransport, location: DatabaseLocation = "memory") {
  const database = openDatabase<OutboxTables>(location);
  const stans = await StanSequence.open(database, ACQUIRER);
  const timers = impatientTimers();
  const changes: OutboxEntry[] = [];
  const outbox = await Outbox.open({
    database,
    transport,
    stans,
    acquirer: ACQUIRER,
    clock: new HandClock(),
    timers,
    onChange: (entry) => changes.push(entry),
  });
  const stop = async () => {
    await outbox.close();
    await database.destroy();
  };
  return { outbox, database, stop, changes, delays: timers.delays };
}

describe("numbers", () => {
  it("never gives one out twice, through restarts and side by side, and goes round", async () => {
    const location = { file: join(temporaryFolder(), "stans.sqlite") };
    const first = openDatabase<{ stan_sequence: { acquirer: string; last: bigint } }>(location);
    const stans = await StanSequence.open(first, ACQUIRER);
    const together = await Promise.all(Array.from({ length: 20 }, () => stans.next()));
    expect(new Set(together).size).toBe(20);
    await first.destroy();
    const second = openDatabase<{ stan_sequence: { acquirer: string; last: bigint } }>(location);
    const again = await StanSequence.open(second, ACQUIRER);
    expect(await again.next()).toBe(21);
    await second.updateTable("stan_sequence").set({ last: 999_998n }).execute();
    expect([await again.next(), await again.next()]).toEqual([999_999, 1]);
    await second.destroy();
  });
});

describe("outbox", () => {
  it("carries a purchase to completion and a sale to reversal", async () => {
    const world = await network();
    const { outbox, changes, stop } = await outboxOver({ exchange: (message) => world.service.handle(message) });
    const bought = await outbox.request("buy", request());
    expect(bought).toMatchObject({ state: "approved", code: "00", card: "400001******0017" });
    await outbox.complete("buy", outcomeOf(bought.approval as Uint8Array, true));
    expect((await outbox.settled("buy")).state).toBe("completed");
    const sold = await outbox.request("sell", request({ type: "sale", stan: 2 }));
    await outbox.reverse("sell", outcomeOf(sold.approval as Uint8Array, false, CUSTOMER));
    expect((await outbox.settled("sell")).state).toBe("reversed");
    expect(changes.map((entry) => entry.state).filter((state, index, all) => state !== all[index - 1])).toEqual([
      "requested",
      "approved",
      "completing",
      "completed",
      "requested",
      "approved",
      "reversing",
      "reversed",
    ]);
    expect(await outbox.unfinished()).toEqual([]);
    expect((await world.service.accountBalance("alpen", "A-1")).available).toBe(90_000n);
    await stop();
  });

  it("wipes the request once the network has answered, and masks the card beside the approval", async () => {
    const world = await network();
    const { outbox, database, stop } = await outboxOver({ exchange: (message) => world.service.handle(message) });
    await outbox.request("buy", request());
    const row = await database.selectFrom("outbox_entry").selectAll().executeTakeFirstOrThrow();
    expect(row.request).toBeNull();
    const { response, ...rest } = row;
    expect(Object.values(rest).join(" ")).not.toContain(CARD);
    expect(response).not.toBeNull();
    await stop();
  });

  it("repeats the same bytes until an answer comes, with growing pauses, and is debited once", async () => {
    const world = await network();
    const sent: string[] = [];
    let losses = 6;
    const { outbox, delays, stop } = await outboxOver({
      exchange: async (message: IsoMessage) => {
        sent.push(Buffer.from(encodeMessage(message)).toString("hex"));
        const answer = await world.service.handle(message);
        losses -= 1;
        if (losses % 3 !== 0) throw new NetworkUnreachableError("the answer was lost");
        return answer;
      },
    });
    const entry = await outbox.request("buy", request());
    expect(new Set(sent).size).toBe(1);
    expect(delays).toEqual([1_000, 2_000]);
    await outbox.complete("buy", outcomeOf(entry.approval as Uint8Array, true));
    expect((await outbox.settled("buy")).state).toBe("completed");
    expect(await world.service.accountBalance("alpen", "A-1")).toEqual({ available: 90_000n, held: 0n });
    await stop();
  });

  it("tells a decline, and stays there", async () => {
    const world = await network();
    const { outbox, stop } = await outboxOver({ exchange: (message) => world.service.handle(message) });
    expect(await outbox.request("buy", request({ cardNumber: STOLEN_CARD }))).toMatchObject({
      state: "declined",
      code: "43",
    });
    expect(await outbox.request("buy", request({ cardNumber: STOLEN_CARD }))).toMatchObject({ state: "declined" });
    await expect(outbox.request("buy", request({ stan: 2 }))).rejects.toThrow(OutboxError);
    await expect(outbox.complete("buy", new Uint8Array(1))).rejects.toThrow("is declined");
    await expect(outbox.complete("nothing", new Uint8Array(1))).rejects.toThrow("no entry");
    await stop();
  });

  it("asks again when the network has a fault, without deciding anything", async () => {
    const world = await network();
    let faults = 2;
    const { outbox, stop } = await outboxOver({
      exchange: async (message) => {
        const answer = await world.service.handle(message);
        if (faults-- > 0) return { ...answer, fields: { ...answer.fields, 39: "96" } } as IsoMessage;
        return answer;
      },
    });
    expect((await outbox.request("buy", request())).state).toBe("approved");
    await stop();
  });

  it("shows a refused completion as a problem, and goes on with the right outcome", async () => {
    const world = await network();
    const { outbox, stop } = await outboxOver({ exchange: (message) => world.service.handle(message) });
    const entry = await outbox.request("buy", request());
    const approval = entry.approval as Uint8Array;
    await outbox.complete("buy", outcomeOf(approval, true, STRANGER));
    const refused = await outbox.settled("buy");
    expect([refused.state, refused.problem]).toEqual(["completing", "63: the signature of the agent does not hold"]);
    await outbox.complete("buy", outcomeOf(approval, true));
    expect(await outbox.settled("buy")).toMatchObject({ state: "completed" });
    await expect(outbox.reverse("buy", outcomeOf(approval, false))).rejects.toThrow("cannot become reversed");
    await stop();
  });

  it("goes on after a crash of the host at every message and every stored step", async () => {
    for (const committed of [true, false]) {
      // A host that dies at its n-th exchange, before the message arrives or after the answer was made.
      for (let crash = 0; crash < 6; crash++) {
        const location = { file: join(temporaryFolder(), "outbox.sqlite") };
        const world = await network();
        let exchanges = 0;
        const dying: CardTransport = {
          exchange: async (message) => {
            exchanges += 1;
            if (exchanges > crash / 2) {
              if (crash % 2 === 1) await world.service.handle(message);
              return new Promise(() => {}); // The host is gone; nobody waits for this any more.
            }
            return world.service.handle(message);
          },
        };
        const first = await outboxOver(dying, location);
        const stuck = new Promise<void>((arrive) => {
          const step = async () => {
            const entry = await first.outbox.request("buy", request());
            const outcome = outcomeOf(entry.approval as Uint8Array, committed);
            if (committed) await first.outbox.complete("buy", outcome);
            else await first.outbox.reverse("buy", outcome);
            await first.outbox.settled("buy");
          };
          step().then(arrive, arrive);
          const watch = () => (exchanges > crash / 2 ? arrive() : setImmediate(watch));
          watch();
        });
        await stuck;
        // The first host's database stays open, as a killed process would leave it: only its file counts.
        const second = await outboxOver({ exchange: (message) => world.service.handle(message) }, location);
        await second.outbox.resume();
        const entry = await second.outbox.request("buy", request());
        const outcome = outcomeOf(entry.approval as Uint8Array, committed);
        if (committed) await second.outbox.complete("buy", outcome);
        else await second.outbox.reverse("buy", outcome);
        expect((await second.outbox.settled("buy")).state).toBe(committed ? "completed" : "reversed");
        expect(await world.service.accountBalance("alpen", "A-1")).toEqual({
          available: committed ? 90_000n : 100_000n,
          held: 0n,
        });
        expect(await world.service.audit()).toEqual([]);
        await second.stop();
        await first.database.destroy();
      }
    }
  });
});

describe("client", () => {
  it("signs on, asks side by side, and reconnects when the network comes back", async () => {
    const world = await network();
    const start = async (port: number) => {
      const server = new IsoServer({ responder: () => world.service.connection(), timers: systemTimers });
      return { server, port: await server.listen(port) };
    };
    const first = await start(0);
    const database = openDatabase<OutboxTables>("memory");
    const stans = await StanSequence.open(database, ACQUIRER);
    const client = new NetworkClient({
      port: first.port,
      acquirer: ACQUIRER,
      stans,
      clock: world.clock,
      timers: systemTimers,
    });
    await client.echo();
    const answers = await Promise.all(
      [101, 102, 103].map((stan) => client.exchange(authorizationMessage(request({ stan, amount: 1_000n })))),
    );
    expect(answers.map((answer) => [answer.fields[11], answer.fields[39]])).toEqual([
      ["000101", "00"],
      ["000102", "00"],
      ["000103", "00"],
    ]);
    await first.server.close();
    await expect(client.echo()).rejects.toThrow(NetworkUnreachableError);
    const second = await start(first.port);
    await client.echo();
    await client.close();
    await expect(client.echo()).rejects.toThrow("closed here");
    await second.server.close();
  });

  it("gives up a question that is not answered in time", async () => {
    const silent = new IsoServer({
      responder: () => async (message) =>
        message.type === "0800" ? (await network()).service.handle(message) : undefined,
      timers: systemTimers,
    });
    const port = await silent.listen(0);
    const stans = await StanSequence.open(openDatabase<OutboxTables>("memory"), ACQUIRER);
    const clock = new HandClock();
    const client = new NetworkClient({
      port,
      acquirer: ACQUIRER,
      stans,
      clock,
      timers: systemTimers,
      answer_ms_max: 150,
    });
    await expect(client.exchange(authorizationMessage(request()))).rejects.toThrow("took too long");
    await client.close();
    await silent.close();
  });
});

const CONFIG: NetworkConfig = {
  root: TREE.root,
  keySeed: sha256(new TextEncoder().encode("network")),
  chain: NETWORK_AGENT.chain,
  exponents: new Map([
    [978, 2],
    [392, 0],
  ]),
  approvalDays: 1,
  suspenseAfter_seconds: 86_400n,
  sweepEvery_ms: 60_000,
  setup: { ...SETUP, cards: SETUP.cards.map((card) => ({ ...card, expiry: "9912", dailyLimit: 1_000_000n })) },
};

describe("configuration", () => {
  it("reads what it writes, and refuses what does not fit without quoting it", () => {
    const text = networkConfigText(CONFIG);
    expect(readNetworkConfig(text)).toEqual(CONFIG);
    for (const [wrong, message] of [
      [text.slice(1), "not JSON"],
      [text.replace('"opening": "100000"', '"opening": 100000'), "accounts.opening"],
      [text.replace('"stolen"', '"lost"'), "cards.status"],
      [text.replace('"root"', '"boot"'), "root"],
    ] as const) {
      expect(() => readNetworkConfig(wrong)).toThrow(message);
    }
  });
});

describe("network process", () => {
  const root = resolve(import.meta.dirname, "../..");
  const output = join(root, "build", "network-process-test");
  const script = join(output, "host/services/network-main.js");

  beforeAll(() => {
    mkdirSync(output, { recursive: true });
    const config = join(output, "tsconfig.json");
    const files = [join(root, "host/services/network-main.ts"), join(root, "firmware/protocol/assemblyscript.d.ts")];
    const declarations = join(root, "host/sodium-native.d.ts");
    const compilerOptions = { outDir: output, rootDir: root, noEmit: false, noCheck: true };
    writeFileSync(
      config,
      JSON.stringify({
        extends: join(root, "tsconfig.base.json"),
        compilerOptions,
        files: [...files],
        include: [declarations],
      }),
    );
    execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", config], { stdio: "inherit" });
  }, 60_000);
  afterAll(() => rmSync(output, { recursive: true, force: true }));

  async function start(
    folder: string,
    port = 0,
  ): Promise<{ child: ChildProcess; port: number; exit: Promise<number | null> }> {
    writeFileSync(join(folder, "config.json"), networkConfigText(CONFIG));
    const files = ["--config", join(folder, "config.json"), "--database", join(folder, "network.sqlite")];
    const child = spawn(process.execPath, [script, ...files, "--port", String(port)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exit = new Promise<number | null>((ended) => child.once("exit", (code) => ended(code)));
    cleanups.push(() => child.kill("SIGKILL"));
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      const event = JSON.parse(line) as { event: string; port: number };
      if (event.event === "ready") return { child, port: event.port, exit };
    }
    throw new Error("the network process ended before it was ready");
  }

  it("stops on SIGTERM, and refuses a configuration that does not fit", async () => {
    const folder = temporaryFolder();
    const { child, exit } = await start(folder);
    child.kill("SIGTERM");
    expect(await exit).toBe(0);
    writeFileSync(join(folder, "bad.json"), "{}");
    const bad = spawn(process.execPath, [
      script,
      "--config",
      join(folder, "bad.json"),
      "--database",
      join(folder, "x.sqlite"),
    ]);
    expect(await new Promise((ended) => bad.once("exit", ended))).toBe(1);
  }, 20_000);

  it("loses nothing it answered and holds nothing twice when it is killed at any moment", async () => {
    const folder = temporaryFolder();
    let { child, port, exit } = await start(folder);
    const database = openDatabase<OutboxTables>({ file: join(folder, "outbox.sqlite") });
    const stans = await StanSequence.open(database, ACQUIRER);
    const clock = systemClock;
    const client = new NetworkClient({ port, acquirer: ACQUIRER, stans, clock, timers: systemTimers });
    const options = { database, transport: client, stans, acquirer: ACQUIRER, clock, timers: systemTimers };
    const outbox = await Outbox.open({ ...options, retry_ms_min: 20, retry_ms_max: 100 });
    const ids = Array.from({ length: 24 }, (_, index) => index);
    const details = (index: number) => request({ stan: index + 1, amount: 100n, expiry: "9912" });
    for (const round of [0, 1, 2]) {
      const batch = ids.slice(round * 8, round * 8 + 8);
      const work = batch.map(async (index) => {
        const entry = await outbox.request(`e${index}`, details(index));
        expect(entry.state).toBe("approved");
        const committed = index % 2 === 0;
        const outcome = outcomeOf(entry.approval as Uint8Array, committed);
        if (committed) await outbox.complete(`e${index}`, outcome);
        else await outbox.reverse(`e${index}`, outcome);
        return outbox.settled(`e${index}`);
      });
      // The kill falls among the messages of the batch: after the first answers, before the last ones.
      await work[round];
      child.kill("SIGKILL");
      await exit;
      ({ child, exit } = await start(folder, port));
      for (const settled of await Promise.all(work)) expect(settled.problem).toBeUndefined();
    }
    child.kill("SIGKILL");
    await exit;
    const world = await network({ file: join(folder, "network.sqlite") });
    expect(await world.service.accountBalance("alpen", "A-1")).toEqual({ available: 100_000n - 12n * 100n, held: 0n });
    expect((await world.service.accountBalance("alpen", "SHOP")).available).toBe(20_000n + 12n * 100n);
    expect(await world.service.audit()).toEqual([]);
    expect((await outbox.unfinished()).length).toBe(0);
    await outbox.close();
    await client.close();
    await world.database.destroy();
    await database.destroy();
  }, 60_000);
});
