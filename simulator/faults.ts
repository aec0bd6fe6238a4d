/**
 * Where a fault can be put: every operation that changes what a chip keeps without power passes a hook first, and the
 * hook says what becomes of it. What flash answers to a read passes another one.
 */

export type OperationKind = "flash-program" | "flash-erase" | "slot-write" | "counter-increment";

export interface Operation {
  readonly kind: OperationKind;
  /** Flash: first byte. Slot: its number. Counter: 0. */
  readonly address: number;
  /** Flash: bytes programmed or erased. Otherwise 0. */
  readonly lengthBytes: number;
}

/**
 * `undefined`: the operation completes.
 * `cut`: power goes "before" it, "after" it, or, for flash, within it: a mask of the operation's length whose bits
 * that are 1 get to their new value, while the others keep the old one. Keys and the counter change as one.
 * `fails`: flash answers FlashFailure. It has not changed, or, with a mask, as a cut within would have changed it.
 * `leaves`: flash answers that all is well, but only the bits that are 1 in the mask got to their new value.
 */
export type Fate =
  | undefined
  | { readonly cut: "before" | "after" | Uint8Array }
  | { readonly fails: true | Uint8Array }
  | { readonly leaves: Uint8Array };

export type OperationHook = (operation: Operation) => Fate;

/** May change what a read of flash is about to answer; flash itself keeps what it holds. */
export type ReadHook = (address: number, bytes: Uint8Array) => void;

/** The first of the hooks that does not let the operation complete decides; the others are not asked. */
export function firstOf(...hooks: readonly OperationHook[]): OperationHook {
  return (operation) => {
    for (const hook of hooks) {
      const fate = hook(operation);
      if (fate !== undefined) return fate;
    }
    return undefined;
  };
}

/** Power is gone: whatever ran on the chip stops here, and the chip must be powered on again. */
export class PowerCut extends Error {
  override readonly name = "PowerCut";

  constructor(readonly operation: Operation) {
    super(`power was cut at ${operation.kind} of ${operation.lengthBytes} bytes at ${operation.address}`);
  }
}
