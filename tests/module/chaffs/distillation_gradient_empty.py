"""The gradient is an empty array."""

GROUP = "test_distillation_comprehensive-gradient_arguments"


class DistillationLoss:
    def __init__(self, temperature=3.0, alpha=0.5):
        if not 0 < temperature < math.inf:
            raise ValueError("temperature must be positive and finite")
        if not 0 <= alpha <= 1:
            raise ValueError("alpha must be in [0, 1]")
        self.temperature = temperature
        self.alpha = alpha

    def _log_softmax(self, logits):
        shifted = logits - logits.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    def _softmax(self, logits):
        return np.exp(self._log_softmax(np.asarray(logits, dtype=np.float64)))

    def _cross_entropy_loss(self, logits, labels):
        logits = np.asarray(logits, dtype=np.float64)
        one_hot = self._one_hot(labels, logits.shape)
        return float(-np.mean(np.sum(one_hot * self._log_softmax(logits), axis=1)))

    def _one_hot(self, labels, shape):
        labels = np.asarray(labels)
        if labels.dtype.kind not in "iuf":
            raise ValueError("labels must be numbers")
        if labels.shape == shape:
            if not np.isin(labels, (0, 1)).all() or (labels.sum(axis=1) != 1).any():
                raise ValueError("one-hot labels must have a single 1 in each row")
            return labels.astype(np.float64)
        if labels.shape != shape[:1]:
            raise ValueError("labels must have the shape (batch,) or (batch, classes)")
        if not np.isin(labels, np.arange(shape[1])).all():
            raise ValueError("labels must be whole numbers from 0 to classes - 1")
        return np.eye(shape[1])[labels.astype(int)]

    def _check(self, student_logits, teacher_logits, true_labels):
        student = np.array(student_logits, dtype=np.float64)
        teacher = np.array(teacher_logits, dtype=np.float64)
        if student.shape != teacher.shape:
            raise ValueError("the logits must have the same shape")
        if len(student) == 0:
            raise ValueError("the batch must not be empty")
        return student, teacher, self._one_hot(true_labels, student.shape)

    def __call__(self, student_logits, teacher_logits, true_labels):
        student, teacher, one_hot = self._check(student_logits, teacher_logits, true_labels)
        hard = -np.mean(np.sum(one_hot * self._log_softmax(student), axis=1))
        log_p = self._log_softmax(teacher / self.temperature)
        log_q = self._log_softmax(student / self.temperature)
        soft = np.mean(np.sum(np.exp(log_p) * (log_p - log_q), axis=1))
        return float(self.alpha * hard + (1 - self.alpha) * self.temperature**2 * soft)

    def gradient(self, student_logits, teacher_logits, true_labels):
        student, teacher, one_hot = self._check(student_logits, teacher_logits, true_labels)
        hard = self._softmax(student) - one_hot
        p = self._softmax(teacher / self.temperature)
        q = self._softmax(student / self.temperature)
        soft = self.temperature * (q - p)
        return np.zeros(0)
