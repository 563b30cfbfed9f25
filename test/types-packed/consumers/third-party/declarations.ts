// The third-party declarations that the other projects compile, without ours. A diagnostic that also appears here is not caused
// by us.
import { createServer } from 'node:http'
import { Queue } from 'bullmq'
import express from 'express'
import Fastify from 'fastify'
import Koa from 'koa'
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { z } from 'zod'

export const used: unknown = [createServer, Queue, express, Fastify, Koa, pg, PgBoss, z]
