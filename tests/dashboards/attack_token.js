// What a page tries on the server of review or desk whose address, with its token, it has got hold of.
async url => {
  const read = [];
  const ask = async (what, address, options) => {
    try {
      const answer = await fetch(address, options);
      if (answer.type !== 'opaque') read.push(what + ': ' + answer.status + ' ' + (await answer.text()).slice(0, 80));
    } catch (error) { /* refused: what should be */ }
  };
  const body = JSON.stringify({form: 'train'});
  for (const mode of ['cors', 'no-cors']) {
    await ask('page ' + mode, url, {mode});
    await ask('question ' + mode, url + 'api/question', {mode});
    await ask('script ' + mode, url + 'web/desk/app.js', {mode});
    for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded'])
      await ask('change ' + mode, url + 'api/change', {mode, method: 'POST', body, headers: {'Content-Type': type}});
  }
  const ended = element => new Promise(done => {
    element.onload = () => { if (element.tagName !== 'IFRAME') read.push(element.tagName); done(); };
    element.onerror = done;
    document.body.append(element);
  });
  await ended(Object.assign(document.createElement('script'), {src: url + 'api/question'}));
  await ended(Object.assign(document.createElement('img'), {src: url + 'api/question'}));
  const frame = Object.assign(document.createElement('iframe'), {name: 'frame', src: url + 'api/question'});
  await ended(frame);
  const form = Object.assign(document.createElement('form'),
    {action: url + 'api/change', method: 'POST', enctype: 'text/plain', target: 'frame'});
  form.append(Object.assign(document.createElement('textarea'), {name: body.slice(0, -1) + ', "a": "', value: '"}'}));
  document.body.append(form);
  const sent = new Promise(done => { frame.onload = done; });
  form.submit();
  await sent;
  return read;
}
