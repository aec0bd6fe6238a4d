/** An economy in a folder of its own, with its servers running. A server that is killed is started again, at its old place. */

import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Counts, Order } from "./orders.js";
import { type Event, Process } from "./processes.js";

export type ServerName = "network" | "bank" | "alder" | "birch";
const SERVERS: readonly ServerName[] = ["network", "bank", "alder", "birch"];
/** So long nothing must happen anywhere for the servers to count as done with what they were told. */
const QUIET_MS = 25;

interface Server {
  readonly words: readonly string[];
  process: Process;
  /** Resolves when it serves. */
  ready: Promise<void>;
  /** For its next start. */
  nextOrder?: Order | undefined;
  deaths: number;
}

export class Economy {
  readonly home: string;
  /** Servers that ended for another reason than being killed. */
  readonly faults: string[] = [];
  readonly #servers = new Map<ServerName, Server>();
  #isClosing = false;

  private constructor(home: string) {
    this.home = home;
  }

  /** A copy of an economy that nobody has open, and its servers. */
  static async open(template: string): Promise<Economy> {
    const home = mkdtempSync(join(dirname(template), "economy-"));
    cpSync(template, home, { recursive: true });
    const economy = new Economy(home);
    // The others look for the network and the bank when they start.
    for (const names of [["network", "bank"] as const, ["alder", "birch"] as const]) {
      await Promise.all(names.map((name) => economy.#startFirst(name)));
    }
    return economy;
  }

  async #startFirst(name: ServerName): Promise<void> {
    const isMerchant = name === "alder" || name === "birch";
    const words = isMerchant ? ["merchant", "serve", name] : [name, "serve"];
    const process = new Process(words, { home: this.home });
    const ready = await process.event("ready");
    if (ready === undefined) throw new Error(`${name} does not start: ${process.err}`);
    const server = { words: [...words, ...placeOf(name, ready)], process, ready: Promise.resolve(), deaths: 0 };
    this.#servers.set(name, server);
    this.#watch(name, server);
  }

  #watch(name: ServerName, server: Server): void {
    void server.process.exited.then(({ code, signal, err }) => {
      if (this.#isClosing) return;
      server.deaths += 1;
      if (signal !== "SIGKILL") this.faults.push(`${name} ended by itself (${code ?? signal}): ${err}`);
      if (server.deaths > 5 && signal !== "SIGKILL") return;
      const order = server.nextOrder;
      server.nextOrder = undefined;
      server.process = new Process(server.words, { home: this.home, order });
      server.ready = server.process.event("ready").then(() => undefined);
      this.#watch(name, server);
    });
  }

  #server(name: ServerName): Server {
    const server = this.#servers.get(name);
    if (server === undefined) throw new Error(`${name} was never started`);
    return server;
  }

  deaths(name: ServerName): number {
    return this.#server(name).deaths;
  }

  order(name: ServerName, order: Order | undefined): Promise<Counts | undefined> {
    return this.#server(name).process.order(order);
  }

  /** How the server is to die again, once it has died. */
  orderNext(name: ServerName, order: Order | undefined): void {
    this.#server(name).nextOrder = order;
  }

  /** Resolves when every server serves, also one that has just been killed. */
  async ready(): Promise<void> {
    for (const name of SERVERS) {
      const server = this.#server(name);
      for (let deaths = -1; deaths !== server.deaths || server.process.isOver; ) {
        deaths = server.deaths;
        await server.ready;
        // An end is noticed a moment before the next start.
        await new Promise((resolve) => setImmediate(resolve));
        if (this.faults.length > 0 && server.process.isOver) break;
      }
    }
  }

  /** Resolves when every server serves and none of them does anything. */
  async quiet(): Promise<void> {
    for (let before = ""; ; ) {
      await this.ready();
      const counts = await Promise.all(SERVERS.map((name) => this.#server(name).process.counts()));
      const now = JSON.stringify(counts);
      if (now === before) return;
      before = now;
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    }
  }

  /** Ends the servers in good order, and removes everything. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const { process } of this.#servers.values()) process.kill("SIGTERM");
    for (const [name, { process }] of this.#servers) {
      const { code, signal, err } = await process.end();
      if (code !== 0) this.faults.push(`${name}, told to end, ended with ${code ?? signal}: ${err}`);
    }
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** The options that make it listen where it did. */
function placeOf(name: ServerName, ready: Event): string[] {
  const port = (url: unknown) => new URL(String(url)).port;
  if (name !== "network") return ["--port", port(ready["url"])];
  return ["--port", port(ready["url"]), "--directory-port", port(ready["directory"])];
}
