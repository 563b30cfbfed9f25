import { expect, it } from 'vitest'
import { describeBody } from '../../src/trigger/describe-body.ts'

it.each(['<!DOCTYPE html><html>…', '\n<html lang="en">', '<body>'])('replaces the page %j', (page) => {
  expect(describeBody(page)).toBe('(an HTML page)')
})

it.each(['{"status":"accepted"}', 'Not Found', '', '<error/>', 'use <html>'])('keeps %j', (body) => {
  expect(describeBody(body)).toBe(body)
})
