/**
 * The merchants' directory over HTTP, for wallets on other machines: one document, `GET /directory`. Nobody has to believe
 * it (services/directory.ts). Amounts are decimal digits, because JSON's numbers lose cents above 2^53.
 */

import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { LinePortError } from "../communications/server.js";
import type { DirectoryEntry } from "../services/directory.js";
import type { ServerPlace } from "./bank-server.js";
import { type DirectoryDocument, documentText } from "./directory-document.js";

const HEAD_MS_MAX = 5_000;
/** Nothing comes and nothing goes: also of somebody who asks and does not read the answer. */
const SILENCE_MS_MAX = 10_000;
/** Node looks at its connections so often; by default every half minute only. */
const CHECK_MS = 1_000;
const CONNECTIONS_MAX = 256;
const CONNECTIONS_PER_ADDRESS_MAX = 64;
const PATH = "/directory";

export interface DirectorySource {
  entries(): Promise<readonly DirectoryEntry[]>;
  /** Where the bank is, and in which currencies the issuers of cards keep their accounts. */
  rest(): Omit<DirectoryDocument, "merchants">;
}

export class DirectoryServer {
  readonly #server: Server;
  readonly url: string;

  private constructor(server: Server, host: string) {
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    this.url = `http://${host.includes(":") ? `[${host}]` : host}:${port}${PATH}`;
  }

  static async open(
    source: DirectorySource,
    { host = "127.0.0.1", port = 0 }: ServerPlace = {},
  ): Promise<DirectoryServer> {
    const limits = { headersTimeout: HEAD_MS_MAX, requestTimeout: HEAD_MS_MAX, connectionsCheckingInterval: CHECK_MS };
    const server = createServer(limits, (request, response) => {
      request.resume();
      // Whatever is asked for, by anybody: it need not be a URL.
      const [path] = (request.url ?? "").split("?");
      if (request.method !== "GET" && request.method !== "HEAD") answer(response, 405, "text/plain", "Only GET.\n");
      else if (path !== PATH) answer(response, 404, "text/plain", `The directory is at ${PATH}.\n`);
      else void sendDirectory(source, response);
    });
    server.maxConnections = CONNECTIONS_MAX;
    server.setTimeout(SILENCE_MS_MAX);
    limitPerAddress(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) =>
        reject(new LinePortError(`${host}:${port}`, error.code ?? error.message)),
      );
      server.listen(port, host, resolve);
    });
    return new DirectoryServer(server, host);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** Nobody takes all the connections. */
export function limitPerAddress(server: Server): void {
  const counts = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "";
    const count = (counts.get(address) ?? 0) + 1;
    if (count > CONNECTIONS_PER_ADDRESS_MAX) {
      socket.destroy();
      return;
    }
    counts.set(address, count);
    socket.once("close", () => {
      const left = (counts.get(address) ?? 1) - 1;
      if (left === 0) counts.delete(address);
      else counts.set(address, left);
    });
  });
}

async function sendDirectory(source: DirectorySource, response: ServerResponse): Promise<void> {
  try {
    const text = documentText({ merchants: await source.entries(), ...source.rest() });
    answer(response, 200, "application/json", text);
  } catch {
    answer(response, 503, "text/plain", "The directory's books cannot be read now.\n");
  }
}

function answer(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
  response.end(response.req.method === "HEAD" ? undefined : text);
}
