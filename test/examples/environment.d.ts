// The variables the examples read. This workspace's compiler options ask for every property to be declared.
declare namespace NodeJS {
  interface ProcessEnv {
    SCRAPENEST_WEBHOOK_SECRET?: string | undefined
    PORT?: string | undefined
  }
}
