/**
 * What a mint of the Cashu kind does to check one proof (NUT-00, https://github.com/cashubtc/nuts/blob/main/00.md): Y =
 * hash_to_curve(secret), and then C = kY on secp256k1, with k of the mint. For comparison: nothing else here needs that curve.
 */

import { sha256 } from "../crypto.js";
import { random } from "./tokens-parties.js";

const encoder = new TextEncoder();
const DOMAIN = encoder.encode("Secp256k1_HashToCurve_Cashu_");
const HASH_BYTES = 32;
const COUNTER_MAX = 2 ** 16;
/** First byte of a compressed point whose y is even. */
const EVEN = 2;

type Secp256k1 = typeof import("@noble/curves/secp256k1.js").secp256k1;
type Point = InstanceType<Secp256k1["Point"]>;

export class NobleMissingError extends Error {
  constructor(cause: unknown) {
    super(
      'The tokens are measured beside points of "@noble/curves", which is not installed. Nothing was measured. Run `npm install` in the project\'s folder, without --omit=dev.',
      { cause },
    );
    this.name = "NobleMissingError";
  }
}

async function secp256k1(): Promise<Secp256k1> {
  try {
    return (await import("@noble/curves/secp256k1.js")).secp256k1;
  } catch (error) {
    throw new NobleMissingError(error);
  }
}

export interface Proof {
  /** Text. */
  readonly secret: Uint8Array;
  readonly c: Point;
}

export class PointMint {
  readonly #point: Secp256k1["Point"];
  readonly #k: bigint;

  private constructor({ Point, utils }: Secp256k1) {
    this.#point = Point;
    this.#k = Point.Fn.fromBytes(utils.randomSecretKey());
  }

  static async open(): Promise<PointMint> {
    return new PointMint(await secp256k1());
  }

  /** SHA-256 again and again until it is the x of a point. */
  hashToCurve(secret: Uint8Array): Point {
    const input = new Uint8Array(HASH_BYTES + 4);
    input.set(sha256(Uint8Array.of(...DOMAIN, ...secret)));
    const counter = new DataView(input.buffer, HASH_BYTES);
    for (let i = 0; i < COUNTER_MAX; i++) {
      counter.setUint32(0, i, true);
      try {
        return this.#point.fromBytes(Uint8Array.of(EVEN, ...sha256(input)));
      } catch {
        // No point has this x: every second time.
      }
    }
    throw new RangeError("secret: no point found");
  }

  /** A proof as a wallet has it when it has unblinded what the mint signed. */
  proof(): Proof {
    const secret = encoder.encode(Buffer.from(random(HASH_BYTES)).toString("hex"));
    return { secret, c: this.hashToCurve(secret).multiply(this.#k) };
  }

  isGood({ secret, c }: Proof): boolean {
    return this.hashToCurve(secret).multiply(this.#k).equals(c);
  }
}
