CREATE TABLE `order_events` (
	`sequence` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`type` text NOT NULL,
	`external_id` text NOT NULL,
	`published` integer DEFAULT false NOT NULL,
	FOREIGN KEY (`external_id`) REFERENCES `orders`(`external_id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `order_events_to_publish` ON `order_events` (`sequence`) WHERE "order_events"."published" = 0;--> statement-breakpoint
CREATE TABLE `orders` (
	`external_id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`price` real NOT NULL,
	`order_date` text NOT NULL,
	`delivery_date` text NOT NULL,
	`customer_name` text NOT NULL,
	`content` text NOT NULL,
	`cancelled` integer DEFAULT false NOT NULL
);
