type Same<One, Other> =
  (<Probe>() => Probe extends One ? 1 : 2) extends <Probe>() => Probe extends Other ? 1 : 2 ? true : false

/** Compiles only if both types are identical. `any` is identical only to `any`. */
export function same<One, Other>(_is: Same<One, Other>): void {}
