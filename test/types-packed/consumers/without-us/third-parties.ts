// The other makers' declarations that the applications beside it compile, without ours: what is wrong with them here is
// not our doing.
import { createServer } from 'node:http'
import { Queue } from 'bullmq'
import express from 'express'
import Fastify from 'fastify'
import Koa from 'koa'
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { z } from 'zod'

export const used: unknown = [createServer, Queue, express, Fastify, Koa, pg, PgBoss, z]
