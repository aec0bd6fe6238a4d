/**
 * The card authorization network as a process of its own.
 *
 *   node network-main.js --config FILE --database FILE [--port N] [--attached]
 *
 * With --attached it ends when its input does: whoever started it is gone.
 *
 * Prints one line of JSON with its port when it is ready, then one for each event; stops on SIGTERM or SIGINT. All its
 * state is in the database: it may be killed at any moment, and what it had answered stands.
 */

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { ed25519Signer } from "../crypto.js";
import { AuthorizationNetwork } from "./authorization-network.js";
import { type Clock, systemClock, systemTimers, type Timers } from "./clock.js";
import { openDatabase } from "./database.js";
import { IsoServer } from "./iso8583/framing.js";
import { type NetworkConfig, readNetworkConfig } from "./network-config.js";
import type { NetworkTables } from "./network-tables.js";

export interface NetworkProcessOptions {
  readonly config: NetworkConfig;
  readonly databaseFile: string;
  readonly port: number;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Takes one event, a line of JSON to be. */
  readonly tell: (event: Readonly<Record<string, string | number>>) => void;
}

export interface NetworkProcess {
  readonly port: number;
  stop(): Promise<void>;
}

/** Opens the books, listens on loopback, and sweeps what is overdue into suspense at intervals. */
export async function startNetwork(options: NetworkProcessOptions): Promise<NetworkProcess> {
  const { config, clock, timers, tell } = options;
  const database = openDatabase<NetworkTables>({ file: options.databaseFile });
  const network = await AuthorizationNetwork.open({
    database,
    clock,
    signer: ed25519Signer(config.keySeed),
    chain: config.chain,
    root: config.root,
    exponents: config.exponents,
    approvalDays: config.approvalDays,
    suspenseAfter_seconds: config.suspenseAfter_seconds,
    onFault: (fault) => tell({ event: "fault", text: fault.message }),
  });
  await network.setUp(config.setup);
  const server = new IsoServer({
    responder: () => network.connection(),
    timers,
    onEvent: (event) => tell({ event }),
  });
  let port: number;
  try {
    port = await server.listen(options.port);
  } catch (error) {
    await database.destroy();
    throw error;
  }
  const sweeper = new Sweeper(network, config.sweepEvery_ms, timers, tell);
  sweeper.start();
  tell({ event: "ready", port });
  const stop = async () => {
    sweeper.stop();
    await server.close();
    await sweeper.idle;
    await database.destroy();
  };
  return { port, stop };
}

class Sweeper {
  /** The sweep under way, if there is one. */
  idle: Promise<void> = Promise.resolve();
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(
    private readonly network: AuthorizationNetwork,
    private readonly every_ms: number,
    private readonly timers: Timers,
    private readonly tell: NetworkProcessOptions["tell"],
  ) {}

  start(): void {
    if (this.#stopped) return;
    this.#cancel = this.timers.after(this.every_ms, () => {
      this.idle = this.#sweep().finally(() => this.start());
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  async #sweep(): Promise<void> {
    try {
      const count = await this.network.sweep();
      if (count === 0) return;
      this.tell({ event: "suspense", count });
      for (const item of await this.network.suspense()) {
        this.tell({ event: "unsettled", card: item.card, amount: item.amount.toString(), currency: item.currency });
      }
    } catch (error) {
      this.tell({ event: "fault", text: error instanceof Error ? error.message : "the sweep failed" });
    }
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      config: { type: "string" },
      database: { type: "string" },
      port: { type: "string", default: "0" },
      attached: { type: "boolean" },
    },
  });
  if (values.config === undefined || values.database === undefined) {
    throw new Error("Usage: network-main --config FILE --database FILE [--port N] [--attached]");
  }
  const running = await startNetwork({
    config: readNetworkConfig(await readFile(values.config, "utf8")),
    databaseFile: values.database,
    port: Number(values.port),
    clock: systemClock,
    timers: systemTimers,
    tell: (event) => process.stdout.write(`${JSON.stringify(event)}\n`),
  });
  let stopping = false; // Ctrl-C reaches this process and ends its parent too: twice told, once done.
  const stop = () => {
    if (stopping) return;
    stopping = true;
    void running.stop().then(() => process.exit(0));
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, stop);
  if (values.attached === true) process.stdin.once("end", stop).resume();
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
