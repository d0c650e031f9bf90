// What the attacker's page tries. `read` collects all that it came to know; every promise ends, whatever happens.
async ({mock, pages, bucket}) => {
  const read = [];
  const tell = (what, value) => read.push(what + ': ' + value);
  const ask = async (what, url, options = {}) => {
    try {
      const answer = await fetch(url, options);
      if (answer.type !== 'opaque') tell(what, answer.status + ' ' + (await answer.text()).slice(0, 80));
    } catch (error) { /* refused: what should be */ }
  };
  const load = (tag, url, set = {}) => new Promise(done => {
    const element = Object.assign(document.createElement(tag), set);
    element.onload = () => { if (tag !== 'iframe') tell(tag, url); done(); };
    element.onerror = done;
    if (tag === 'link') { element.rel = 'stylesheet'; element.href = url; } else element.src = url;
    document.body.append(element);
  });
  const form = (url, kind, fields, target) => new Promise(done => {
    const frame = Object.assign(document.createElement('iframe'), {name: target});
    const made = Object.assign(document.createElement('form'), {action: url, method: 'POST', enctype: kind, target});
    for (const [name, value] of Object.entries(fields))
      made.append(Object.assign(document.createElement('textarea'), {name, value}));
    document.body.append(frame, made);
    frame.onload = done;
    made.submit();
  });
  const signed = service => 'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host&X-Amz-Signature=0&X-Amz-Date='
    + '20260101T000000Z&X-Amz-Expires=60&X-Amz-Credential=a/20260101/us-east-1/' + service + '/aws4_request';
  const header = service => 'AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/' + service
    + '/aws4_request, SignedHeaders=host, Signature=0';
  const job = JSON.stringify({TrainingJobName: 'attack', RoleArn: 'arn:aws:iam::123456789012:role/attacker-role',
    AlgorithmSpecification: {TrainingImage: 'image', TrainingInputMode: 'File',
      ContainerEntrypoint: ['touch', '/tmp/attacked']},
    OutputDataConfig: {S3OutputPath: `s3://${bucket}/out`}, StoppingCondition: {MaxRuntimeInSeconds: 60},
    ResourceConfig: {InstanceType: 'ml.m5.large', InstanceCount: 1, VolumeSizeInGB: 1}});
  const template = JSON.stringify({Resources: {T: {Type: 'AWS::SNS::Topic', Properties: {TopicName: 'attack'}}}});
  const stack = {Action: 'CreateStack', Version: '2010-05-15', StackName: 'attack', TemplateBody: template};
  const json = target => ({'X-Amz-Target': target, 'Content-Type': 'application/x-amz-json-1.1'});

  // without a preflight
  for (const mode of ['cors', 'no-cors']) {
    await ask('list ' + mode, mock, {mode});
    await ask('object ' + mode, `${mock}/${bucket}/secret.js`, {mode});
    await ask('form data ' + mode, `${mock}/${bucket}`, {mode, method: 'POST', body: (() => {
      const data = new FormData(); data.append('key', 'attack'); data.append('file', new Blob(['x'])); return data; })()});
    await ask('delete ' + mode, `${mock}/${bucket}?delete`, {mode, method: 'POST',
      body: '<Delete><Object><Key>secret.js</Key></Object></Delete>'});
    await ask('stack ' + mode, `${mock}/?${signed('cloudformation')}`,
      {mode, method: 'POST', body: new URLSearchParams(stack)});
    await ask('stack by get ' + mode, `${mock}/?${signed('cloudformation')}&${new URLSearchParams(stack)}`, {mode});
    await ask('job ' + mode, `${mock}/?${signed('sagemaker')}`, {mode, method: 'POST', body: job});
    await ask('reset ' + mode, `${mock}/moto-api/reset`, {mode, method: 'POST'});
    await ask('state ' + mode, `${mock}/moto-api/data.json`, {mode});
    await ask('interrupt ' + mode, `${mock}/_local_mock/interrupt/x`, {mode, method: 'POST'});
    await ask('health ' + mode, `${mock}/_local_mock/health`, {mode});
    for (const page of pages) {
      await ask('page ' + mode, page, {mode});
      await ask('data ' + mode, page + 'api/data/overview/lake-videos', {mode});
      await ask('slice ' + mode, page + 'api/slice/0', {mode});
    }
  }
  await load('script', `${mock}/${bucket}/secret.js`);
  if (window.secret) tell('script', window.secret);
  await load('img', `${mock}/${bucket}/picture.svg`);
  await load('link', `${mock}/${bucket}/style.css`);
  for (const page of pages) { await load('iframe', page); await load('iframe', page + 'api/slice/0'); }
  await load('iframe', `${mock}/${bucket}/page.html`);
  await form(`${mock}/${bucket}`, 'multipart/form-data', {key: 'attack', file: 'x'}, 'f1');
  await form(`${mock}/${bucket}`, 'application/x-www-form-urlencoded', {key: 'attack', file: 'x'}, 'f2');
  await form(`${mock}/?${signed('cloudformation')}`, 'application/x-www-form-urlencoded', stack, 'f3');
  await form(`${mock}/${bucket}?delete`, 'text/plain',
    {'<Delete><Object><Key>secret.js</Key></Object><!--': '--></Delete>'}, 'f4');
  await form(`${mock}/moto-api/reset`, 'text/plain', {}, 'f5');
  navigator.sendBeacon(`${mock}/${bucket}`, 'x');
  // with a preflight
  await ask('put', `${mock}/${bucket}/attack`, {method: 'PUT', body: 'x'});
  await ask('remove', `${mock}/${bucket}/secret.js`, {method: 'DELETE'});
  await ask('job', mock, {method: 'POST', body: job,
    headers: {...json('SageMaker.CreateTrainingJob'), Authorization: header('sagemaker')}});
  await ask('database', mock, {method: 'POST', body: JSON.stringify({DatabaseInput: {Name: 'attack'}}),
    headers: {...json('AWSGlue.CreateDatabase'), Authorization: header('glue')}});
  await ask('stack', mock, {method: 'POST', body: new URLSearchParams(stack),
    headers: {Authorization: header('cloudformation')}});
  for (const page of pages) await ask('data', page + 'api/data/overview/lake-videos', {headers: {'X-A': 'b'}});
  return read;
}
